import { get } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { Lifetime } from "../src/lifetime/lifetime.ts";
import { memoryMiB } from "./cpu.ts";
import { sendEvent } from "./load.ts";
import type { Options } from "./options.ts";
import type { Programs } from "./programs.ts";
import { plans, type ServerPlan, spawnAt } from "./servers.ts";

export const STARTS = ["service", "embedded", "eager", "echo"] as const;
export type StartName = (typeof STARTS)[number];

/** One start, in ms since the program was executed. */
export type Start = {
  round: number;
  server: StartName;
  /** The first answer to GET /health. */
  health: number;
  /** The answer to the first event, posted as soon as /health had answered. */
  firstEvent: number;
  /** After that event. */
  memoryMiB: number | undefined;
  errors: number;
  firstError?: string;
};

export async function measureStarts(
  programs: Programs,
  { rounds, coldStarts }: Options,
  say: (line: string) => void,
): Promise<Start[]> {
  const lifetime = new Lifetime();
  try {
    const database = {
      service: await plans.onDatabase(programs.service, lifetime),
      eager: await plans.onDatabase(programs.eager, lifetime),
    };
    const ways: Record<StartName, (of: Lifetime) => Promise<ServerPlan>> = {
      service: async () => database.service,
      embedded: (of) => plans.embedded(programs, of),
      eager: async () => database.eager,
      echo: async () => plans.withoutDatabase(programs.echo),
    };
    const starts: Start[] = [];
    for (let round = 1 - coldStarts; round <= rounds; round++) {
      say(round < 1 ? "start: warming up" : `start: round ${round} of ${rounds}`);
      for (const server of STARTS) starts.push({ round, server, ...(await measureStart(ways[server])) });
    }
    return starts.filter(({ round }) => round > 0);
  } finally {
    await lifetime.close();
  }
}

async function measureStart(plan: (of: Lifetime) => Promise<ServerPlan>) {
  const lifetime = new Lifetime();
  try {
    const { process, begunAt } = await spawnAt(await plan(lifetime));
    lifetime.own(process, (each) => each[Symbol.asyncDispose]());
    const ended = process.exited.then(() => {
      throw new Error(`it ended before it answered:\n${process.stderr.join("\n")}`);
    });
    await Promise.race([firstHealth(process.url), ended]);
    const health = performance.now() - begunAt;
    const firstError = await sendEvent(process.url);
    const firstEvent = performance.now() - begunAt;
    return {
      health,
      firstEvent,
      memoryMiB: memoryMiB(process.pid),
      errors: firstError === undefined ? 0 : 1,
      ...(firstError !== undefined && { firstError }),
    };
  } finally {
    await lifetime.close();
  }
}

/** Asks every 2 ms as long as nobody listens: that is what the figure may be too high by. */
async function firstHealth(url: string): Promise<void> {
  const patience = performance.now() + 60_000;
  while (!(await isHealthy(url))) {
    if (performance.now() > patience) throw new Error("no answer to /health in 60 s");
    await delay(2);
  }
}

function isHealthy(url: string): Promise<boolean> {
  return new Promise((done) => {
    const asked = get(`${url}/health`, { agent: false }, (response) => {
      response.resume().once("end", () => done(response.statusCode === 200));
    });
    asked.once("error", () => done(false)); // not yet
  });
}
