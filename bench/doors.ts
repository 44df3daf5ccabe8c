import { headers, type NatsConnection } from "@nats-io/transport-node";
import { Lifetime } from "../src/lifetime/lifetime.ts";
import { NatsServer } from "../test/support/nats-server.ts";
import type { SpawnedService } from "../test/support/process.ts";
import { until } from "../test/support/wait.ts";
import { cpuMs } from "./cpu.ts";
import { applyLoad } from "./load.ts";
import type { Options } from "./options.ts";
import type { Programs } from "./programs.ts";
import { plans, startServer } from "./servers.ts";
import { median, medianOf } from "./statistics.ts";
import { anEvent, isAnswered } from "./work.ts";

export const DOORS = ["http", "nats"] as const;
/** One door of one process in one round; CPU is ms a run. */
export type DoorCell = {
  round: number;
  door: (typeof DOORS)[number];
  runs: number;
  perSecond: number;
  cpu: number | undefined;
  errors: number;
  firstError?: string;
};
export type DoorSummary = { door: string; perSecond: number; cpu: number | undefined }[];

const CALLERS = 32;

/** The same process takes the same work by both doors, in turns. */
export async function measureDoors(
  { service }: Programs,
  options: Options,
  say: (line: string) => void,
): Promise<DoorCell[]> {
  const lifetime = new Lifetime();
  try {
    const nats = lifetime.own(await NatsServer.start(), (each) => each.close());
    const plan = await plans.onDatabase(service, lifetime);
    const server = await startServer({ ...plan, env: { ...plan.env, NATS_URL: nats.url } }, lifetime);
    const nc = await nats.client();
    await until(
      async () => (await nats.manager()).consumers.info("AGENT_EXECUTION", "agent-executor-workers"),
      {
        what: "the consumer",
      },
    );
    const { rounds, seconds, warmUp } = options;
    say("doors: warming up");
    for (const door of DOORS) {
      for (let runs = 0; runs < warmUp / 2; )
        runs += (await load(door, server, nc, Math.min(seconds, 1))).runs;
    }
    const cells: DoorCell[] = [];
    for (let round = 1; round <= rounds; round++) {
      say(`doors: round ${round} of ${rounds}`);
      for (const door of DOORS) {
        const before = cpuMs(server.pid);
        const measured = await load(door, server, nc, seconds);
        const after = cpuMs(server.pid);
        const cpu =
          before === undefined || after === undefined ? undefined : (after - before) / measured.runs;
        cells.push({ round, door, cpu, ...measured });
      }
    }
    return cells;
  } finally {
    await lifetime.close();
  }
}

type Measured = Omit<DoorCell, "round" | "door" | "cpu">;

async function load(
  door: DoorCell["door"],
  server: SpawnedService,
  nc: NatsConnection,
  seconds: number,
): Promise<Measured> {
  if (door === "nats") return await loadByNats(nc, seconds);
  const { requests, perSecond, errors, firstError } = await applyLoad(server.url, CALLERS, seconds);
  return { runs: requests, perSecond, errors, ...(firstError !== undefined && { firstError }) };
}

/** So many messages are on their way; for each result that comes the next one is sent. */
async function loadByNats(nc: NatsConnection, seconds: number): Promise<Measured> {
  const begun = performance.now();
  const waiting = new Set<string>();
  let runs = 0;
  let errors = 0;
  const send = () => {
    const { jobId, headers: given, body } = anEvent();
    const own = headers();
    for (const [name, value] of Object.entries(given)) own.set(name, value);
    waiting.add(jobId);
    nc.publish("agent.execute.bench", body, { headers: own });
  };
  const results = nc.subscribe("agent.status.*");
  const over = begun + seconds * 1000;
  const timer = setTimeout(() => results.unsubscribe(), seconds * 1000 + LAST_MS);
  for (let i = 0; i < CALLERS; i++) send();
  for await (const message of results) {
    const { subject, data } = message.json<{ subject: string; data: unknown }>();
    if (!waiting.delete(subject)) continue; // of the round before
    runs++;
    if (!isAnswered(JSON.stringify(data), subject)) errors++;
    if (performance.now() < over) send();
    else if (waiting.size === 0) results.unsubscribe();
  }
  clearTimeout(timer);
  errors += waiting.size;
  const perSecond = (runs / (performance.now() - begun)) * 1000;
  return { runs, perSecond, errors, ...(errors > 0 && { firstError: `${waiting.size} without a result` }) };
}

/** What is on its way at the end has so long to come. */
const LAST_MS = 5000;

export function doorSummary(cells: readonly DoorCell[]): { rows: DoorSummary; cpuRatio: number | undefined } {
  const of = (door: string) => cells.filter((cell) => cell.door === door);
  const rows = DOORS.map((door) => ({
    door,
    perSecond: median(of(door).map(({ perSecond }) => perSecond)),
    cpu: medianOf(of(door), ({ cpu }) => cpu),
  }));
  const http = of("http");
  const ratios = of("nats").map(({ cpu }, i) => {
    const other = http[i]?.cpu;
    return cpu === undefined || other === undefined ? undefined : cpu / other;
  });
  return { rows, cpuRatio: medianOf(ratios, (ratio) => ratio) };
}
