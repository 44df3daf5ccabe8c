import { Lifetime } from "../src/lifetime/lifetime.ts";
import { serviceUrl } from "../test/support/environment.ts";
import type { SpawnedService } from "../test/support/process.ts";
import { cpuMs, postgresCpu } from "./cpu.ts";
import { applyLoad, type Load } from "./load.ts";
import type { Options } from "./options.ts";
import type { Programs } from "./programs.ts";
import { plans, type ServerPlan, startServer } from "./servers.ts";

export const SERVERS = ["service", "naive", "limit", "echo"] as const;
export type ServerName = (typeof SERVERS)[number];
export const CALLERS = [1, 8, 32] as const;

/** One server under one load in one round. CPU is ms a request, undefined where nobody counts it. */
export type Cell = Load & {
  round: number;
  server: ServerName;
  callers: number;
  cpu: number | undefined;
  postgresCpu: number | undefined;
};

/** All servers live through all rounds and take turns, so that what else the machine does meets all alike. */
export async function measureThroughput(
  programs: Programs,
  options: Options,
  say: (line: string) => void,
): Promise<Cell[]> {
  const lifetime = new Lifetime();
  try {
    const servers = await startAll(programs, lifetime);
    const readPostgres = await postgresCpu(serviceUrl("postgres"));
    const { rounds, seconds } = options;
    say("load: warming up");
    for (const [, server] of servers) await warmUp(server.url, options);
    const cells: Cell[] = [];
    for (let round = 1; round <= rounds; round++) {
      say(`load: round ${round} of ${rounds}`);
      for (const callers of CALLERS) {
        for (const [name, server] of servers) {
          const measured = await measureOne(server, callers, seconds, readPostgres);
          cells.push({ round, server: name, callers, ...measured });
        }
      }
    }
    return cells;
  } finally {
    await lifetime.close();
  }
}

async function startAll(
  programs: Programs,
  lifetime: Lifetime,
): Promise<readonly (readonly [ServerName, SpawnedService])[]> {
  const { service, naive, echo } = programs;
  const chosen: readonly (readonly [ServerName, ServerPlan])[] = [
    ["service", await plans.onDatabase(service, lifetime)],
    ["naive", await plans.onDatabase(naive, lifetime)],
    ["limit", plans.withoutDatabase(naive)],
    ["echo", plans.withoutDatabase(echo)],
  ];
  const start = async ([name, plan]: (typeof chosen)[number]) =>
    [name, await startServer(plan, lifetime)] as const;
  return await Promise.all(chosen.map(start));
}

/** Until V8 has optimised it, a server takes two or three times its CPU. */
export async function warmUp(url: string, { warmUp, seconds }: Options): Promise<void> {
  for (let answered = 0; answered < warmUp; ) {
    const { requests, errors } = await applyLoad(url, 32, Math.min(seconds, 1));
    if (errors > 0) return; // the rounds will say it
    answered += requests;
  }
}

export async function measureOne(
  server: SpawnedService,
  callers: number,
  seconds: number,
  readPostgres: () => number | undefined,
): Promise<Omit<Cell, "round" | "server" | "callers">> {
  const before = { own: cpuMs(server.pid), postgres: readPostgres() };
  const load = await applyLoad(server.url, callers, seconds);
  const after = { own: cpuMs(server.pid), postgres: readPostgres() };
  const perRequest = (from: number | undefined, to: number | undefined) =>
    from === undefined || to === undefined ? undefined : (to - from) / load.requests;
  return {
    ...load,
    cpu: perRequest(before.own, after.own),
    postgresCpu: perRequest(before.postgres, after.postgres),
  };
}
