import { randomUUID } from "node:crypto";
import { type ClientRequest, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { type ExecuteEvent, executeEvent, scripted } from "../test/support/agents.ts";
import { freshDatabase } from "../test/support/databases.ts";
import { serviceUrl } from "../test/support/environment.ts";
import { get, postEvent } from "../test/support/post.ts";
import { type SpawnedService, spawnService } from "../test/support/process.ts";
import { cpuMs, memoryMiB } from "./cpu.ts";
import { median } from "./statistics.ts";

/** What one process spends on a run of 2,500 tokens while another one serves its readers. */
export type StreamRound = {
  round: number;
  tokensPerSecond: number;
  cpu: { alone: number; read: number };
  /** MiB that the process with the readers takes for each one that is stuck. */
  stuckMiB: number;
  /** Tokens that a reader who reads has got, of those that there were. */
  received: number;
};

/** As a row of the table. */
export function streamsText(rounds: readonly StreamRound[]): string {
  const ratio = median(rounds.map(({ cpu }) => cpu.read / cpu.alone));
  const [tokens, received, alone, read, stuck] = [
    median(rounds.map(({ tokensPerSecond }) => tokensPerSecond)),
    100 * (median(rounds.map(({ received }) => received)) ?? 0),
    median(rounds.map(({ cpu }) => cpu.alone)),
    median(rounds.map(({ cpu }) => cpu.read)),
    median(rounds.map(({ stuckMiB }) => stuckMiB)),
  ].map((value) => value?.toFixed(1));
  return `\nStreams, ${tokens} tokens/s, of which a reader got ${received} %: ${alone} ms CPU a run read by nobody, ${read} ms by 50 of whom 10 are stuck (x ${ratio?.toFixed(2)}); ${stuck} MiB a stuck reader`;
}

const TOKENS = 2500;
const READERS = 40;
const STUCK = 10;
/** Enough for what they take to stand out from what the collector happens to leave. */
const MANY_STUCK = 100;
/** With the rest before each answer about 12,000 tokens a second: what 50 readers on two cores keep up with. */
const AGENT = scripted({ content: "word ".repeat(TOKENS), delay_ms: 80 });

export async function measureStreams(rounds: number, runs: number): Promise<StreamRound[]> {
  await using database = await freshDatabase({ mayLeak: true });
  const env = { DATABASE_URL: database.url, REDIS_URL: serviceUrl("redis"), LOG_LEVEL: "error" };
  const working = await spawnService(env);
  const reading = await spawnService({ ...env, MAX_CONCURRENT_RUNS: "1" });
  try {
    await Promise.all([working.waitForHealth(), reading.waitForHealth()]);
    // Its only place is taken, so that it does none of the other's work.
    await send(reading, executeEvent({ agent_definition: scripted({ content: "", delay_ms: 500_000 }) }));
    await load(working, reading, runs, 0, 0);
    await load(working, reading, runs, READERS, 0);
    const all: StreamRound[] = [];
    for (let round = 1; round <= rounds; round++) {
      const alone = await load(working, reading, runs, 0, 0);
      const fluent = await load(working, reading, runs, READERS, 0);
      const read = await load(working, reading, runs, READERS, STUCK);
      const crowded = await load(working, reading, runs, READERS, MANY_STUCK);
      all.push({
        round,
        tokensPerSecond: read.tokensPerSecond,
        cpu: { alone: alone.cpu, read: read.cpu },
        stuckMiB: (crowded.memory - fluent.memory) / MANY_STUCK,
        received: read.received,
      });
    }
    return all;
  } finally {
    await Promise.all([working.kill("SIGKILL"), reading.kill("SIGKILL")]);
  }
}

async function load(
  working: SpawnedService,
  reading: SpawnedService,
  runs: number,
  readers: number,
  stuck: number,
) {
  const job_id = randomUUID();
  const startedAt = performance.now();
  const before = cpuMs(working.pid) ?? 0;
  for (let i = 0; i < runs; i++) await send(working, executeEvent({ job_id, agent_definition: AGENT }));
  const url = `${reading.url}/jobs/${job_id}/events`;
  const fluent = Array.from({ length: readers }, (_, i) => read(url, i === 0));
  const blocked = Array.from({ length: stuck }, () => block(url));
  let memory = 0;
  for (let isOver = false; !isOver; await delay(100)) {
    memory = Math.max(memory, memoryMiB(reading.pid) ?? 0);
    isOver =
      ((await get(`${reading.url}/jobs/${job_id}`)).json() as { status: string }).status === "completed" &&
      (await isIdle(reading.url, job_id));
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = ((cpuMs(working.pid) ?? 0) - before) / runs;
  const counts = await Promise.all(fluent);
  for (const each of blocked) each.destroy();
  const received = (counts[0] ?? 0) / (runs * TOKENS);
  return { cpu, memory, received, tokensPerSecond: (runs * TOKENS) / seconds };
}

async function send({ url }: SpawnedService, event: ExecuteEvent): Promise<void> {
  await postEvent(url, event, { headers: { prefer: "respond-async" } });
}

async function isIdle(url: string, jobId: string): Promise<boolean> {
  const { runs } = (await get(`${url}/jobs/${jobId}`)).json() as { runs: { status: string }[] };
  return runs.every(({ status }) => status === "completed");
}

/** Takes what comes, to the end; one of them counts it, or 40 would measure this process. */
function read(url: string, counts: boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    let tokens = 0;
    const asked = request(url, { agent: false }, (response) => {
      response.on("data", (bytes: Buffer) => {
        if (!counts) return;
        for (let at = bytes.indexOf(MARK); at >= 0; at = bytes.indexOf(MARK, at + 1)) tokens++;
      });
      response.once("close", () => resolve(tokens));
    });
    asked.once("error", reject).end();
  });
}

/** In each frame of a token; one that falls between two packets is not counted. */
const MARK = '"token":';

/** Takes the first bytes and then nothing more. */
function block(url: string): ClientRequest {
  const asked = request(url, { agent: false }, (response) => void response.pause());
  asked.on("error", () => undefined).end();
  return asked;
}
