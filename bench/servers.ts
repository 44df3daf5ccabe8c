import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Lifetime } from "../src/lifetime/lifetime.ts";
import { freshDatabase } from "../test/support/databases.ts";
import { type SpawnedService, spawnService } from "../test/support/process.ts";
import { freePort } from "../test/support/wait.ts";
import type { Programs } from "./programs.ts";
import { ANSWER } from "./work.ts";

export type ServerPlan = { program: string; env: Record<string, string> };

/** As many connections for the service as the naive server opens. */
const service = { LOG_LEVEL: "warn", PG_POOL_SIZE: "10" };

/** One way to start the service or what it is compared with, as often as one likes. */
export const plans = {
  /** A database of its own that is migrated already, as it is at every start but the very first. */
  onDatabase: async (program: string, lifetime: Lifetime): Promise<ServerPlan> => {
    // Killed processes leave connections that Postgres notices late.
    const database = await freshDatabase({ mayLeak: true });
    lifetime.own(database, (each) => each[Symbol.asyncDispose]());
    return { program, env: { DATABASE_URL: database.url, ANSWER, ...service } };
  },
  withoutDatabase: (program: string): ServerPlan => ({ program, env: { ANSWER } }),
  /** With a new folder each: the very first start on a laptop. */
  embedded: async ({ service: program }: Programs, lifetime: Lifetime): Promise<ServerPlan> => {
    const folder = await mkdtemp(join(tmpdir(), "agent-executor-bench-"));
    lifetime.own(folder, (each) => rm(each, { recursive: true, force: true }));
    return { program, env: { DATA_DIR: folder, ...service } };
  },
};

/** Starts a server that ends with `lifetime`. */
export async function startServer(plan: ServerPlan, lifetime: Lifetime): Promise<SpawnedService> {
  const { process } = await spawnAt(plan);
  lifetime.own(process, (each) => each[Symbol.asyncDispose]());
  await process.waitForHealth();
  return process;
}

/** The port is found beforehand: `begunAt` shall be when the program was started, and nothing else. */
export async function spawnAt(plan: ServerPlan): Promise<{ process: SpawnedService; begunAt: number }> {
  const port = await freePort();
  const begunAt = performance.now();
  const process = await spawnService({ ...plan.env, PORT: String(port) }, { entry: plan.program });
  return { process, begunAt };
}
