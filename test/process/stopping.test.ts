import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { executeEvent, scripted } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { get, postEvent } from "../support/post.ts";
import { type SpawnedService, spawnService } from "../support/process.ts";
import { until } from "../support/wait.ts";

/** The built service as its platform stops it. */
describe("a process that is told to stop", () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await freshDatabase({ mayLeak: true });
  });
  afterEach(() => database[Symbol.asyncDispose]());

  const start = async (env: Record<string, string> = {}) => {
    const service = await spawnService({ DATABASE_URL: database.url, ...env });
    await service.waitForHealth();
    return service;
  };
  const send = (service: SpawnedService, jobId: string, delayMs: number) =>
    postEvent(
      service.url,
      executeEvent({
        job_id: jobId,
        agent_definition: scripted({ content: "at last", delay_ms: delayMs }),
      }),
      { headers: { prefer: "respond-async" } },
    );
  const running = async (attempt: number) => {
    const sql = "select 1 from agent_executor.runs where status = 'running' and attempt = $1";
    return (await database.sql(sql, [attempt])).length === 1;
  };

  const statusOf = async (service: SpawnedService, jobId: string) => {
    const job = (await get(`${service.url}/jobs/${jobId}`)).json() as { status: string };
    return job.status; // the contract of GET /jobs/{job_id}
  };

  it("leaves at once at the second signal, and the run goes on elsewhere", async () => {
    const first = await start({ RUN_LEASE_SECONDS: "3", SHUTDOWN_GRACE_SECONDS: "60" });
    const jobId = randomUUID();
    await send(first, jobId, 2500);
    await until(() => running(1), { what: "the run to be at work" });

    const leaving = first.kill("SIGTERM");
    await first.waitForLog(({ message }) => message === "stopping");
    const askedAt = performance.now();
    await first.kill("SIGTERM");
    expect(performance.now() - askedAt).toBeLessThan(1000);
    expect((await leaving).code).not.toBe(0);

    const second = await start({ RUN_LEASE_SECONDS: "3" });
    await until(async () => (await statusOf(second, jobId)) === "completed", {
      what: "the run to be completed by the other process",
      timeoutMs: 25_000,
    });
  }, 45_000);

  it("uses up none of a run's attempts, however often that happens in a row", async () => {
    const env = { RUN_MAX_ATTEMPTS: "2", SHUTDOWN_GRACE_SECONDS: "0" };
    let service = await start(env);
    const jobId = randomUUID();
    await send(service, jobId, 4000);

    for (let stop = 1; stop <= 3; stop++) {
      await until(() => running(stop), { what: `attempt ${stop}`, timeoutMs: 10_000 });
      expect(await service.kill("SIGTERM")).toEqual({ code: 0, signal: null });
      service = await start(env);
    }

    await until(async () => (await statusOf(service, jobId)) === "completed", {
      what: "the run to be completed",
      timeoutMs: 15_000,
    });
    expect((await get(`${service.url}/jobs/${jobId}`)).json()).toMatchObject({ runs: [{ attempt: 4 }] });
  }, 60_000);
});
