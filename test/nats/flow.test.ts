import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { acceptRun } from "../../src/runs/repository.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import type { TestDatabase } from "../support/databases.ts";
import { NatsServer } from "../support/nats-server.ts";
import { serverPort } from "../support/ports.ts";
import { get, postEvent } from "../support/post.ts";
import { anEvent } from "../support/runs.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";
import { consumerState, isAllAcknowledged, resultFor, resultsOf, structured } from "./messages.ts";

const slowly = (ms: number) => scripted({ content: "slow answer", delay_ms: ms });

/** As a process leaves it that died a while ago. */
async function leaveSilentRun(database: TestDatabase): Promise<string> {
  const db = serverPort(database, 1);
  const definition = JSON.stringify(scripted("done"));
  const event = anEvent({ request: { input: "go" }, definitionHash: "silent", definition });
  await acceptRun(db, event, { worker: "gone", leaseSeconds: 0, maxQueued: 100, maxQueuedOfJob: 100 });
  await db.close();
  return event.runId;
}

describe("the flow of messages", () => {
  let nats: NatsServer;
  let service: TestService | undefined;
  beforeEach(async () => {
    nats = await NatsServer.start();
  });
  afterEach(async () => {
    await service?.close();
    service = undefined;
    await nats.close();
  });
  const start = async (env: Record<string, string>) => {
    service = await startTestService({ NATS_URL: nats.url, NATS_ACK_WAIT_SECONDS: "1", ...env });
    await until(() => consumerState(nats), { what: "the consumer" });
    return service;
  };
  const metric = async (url: string, name: string) => {
    const { text } = await get(`${url}/metrics`);
    return Number(new RegExp(`^agent_executor_${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
  };

  it("brings no more than can run, and says how long it paused", async () => {
    const { url } = await start({ MAX_CONCURRENT_RUNS: "2" });
    const events = Array.from({ length: 8 }, () => executeEvent({ agent_definition: slowly(300) }));

    for (const event of events) await nats.send("agent.execute.many", structured(event));
    const most = { pending: 0 };
    await until(
      async () => {
        most.pending = Math.max(most.pending, (await consumerState(nats)).num_ack_pending);
        return await isAllAcknowledged(nats);
      },
      { what: "all to end", timeoutMs: 15_000 },
    );

    expect(most.pending).toBeLessThanOrEqual(3); // two that run, and one on its way to a place that fell free
    expect(await metric(url, "nats_paused_seconds_total")).toBeGreaterThan(0.3);
  });

  it("does not let a job with many messages hold up another", async () => {
    await start({ MAX_CONCURRENT_RUNS: "2" });
    const job_id = randomUUID();
    const many = Array.from({ length: 30 }, () => executeEvent({ job_id, agent_definition: slowly(150) }));
    const other = executeEvent();

    for (const event of many) await nats.send("agent.execute.many", structured(event));
    await nats.send("agent.execute.other", structured(other));
    await resultFor(nats, other.id);

    const before = (await resultsOf(nats)).filter(({ event }) => event.subject === job_id);
    expect(before.length).toBeLessThan(15);
    await until(() => isAllAcknowledged(nats), { what: "all to end", timeoutMs: 20_000 });
  }, 40_000);

  it("lets the runs of a process that died go before messages that are still to be fetched", async () => {
    const { database } = await start({ MAX_CONCURRENT_RUNS: "1" });
    const events = Array.from({ length: 25 }, () => executeEvent({ agent_definition: slowly(200) }));
    for (const event of events) await nats.send("agent.execute.many", structured(event));
    const silent = await leaveSilentRun(database);
    const statusOf = async () =>
      await database.sql("select status from agent_executor.runs where run_id = $1", [silent]);

    await until(async () => (await statusOf())[0]?.["status"] === "completed", {
      what: "the run to be taken over",
    });

    expect(await isAllAcknowledged(nats)).toBe(false);
    await until(() => isAllAcknowledged(nats), { what: "all to end", timeoutMs: 20_000 });
  }, 40_000);

  it("puts messages off while the queue of their job is full, and loses none", async () => {
    await start({ MAX_QUEUED_RUNS_PER_JOB: "1" });
    const job_id = randomUUID();
    const events = Array.from({ length: 4 }, () => executeEvent({ job_id, agent_definition: slowly(200) }));

    for (const event of events) await nats.send("agent.execute.full", structured(event));
    await until(() => isAllAcknowledged(nats), { what: "all to end", timeoutMs: 30_000 });

    expect(new Set((await resultsOf(nats)).map(({ cause }) => cause))).toEqual(
      new Set(events.map(({ id }) => id)),
    );
    expect((await resultsOf(nats)).every(({ subject }) => subject === "agent.status.completed")).toBe(true);
    expect((await consumerState(nats)).delivered.consumer_seq).toBeGreaterThan(4);
  }, 60_000);

  it("tells of a message that was delivered as often as it may be", async () => {
    const { url } = await start({ NATS_MAX_DELIVER: "2", MAX_QUEUED_RUNS_PER_JOB: "1" });
    const job_id = randomUUID();
    const busy = [0, 1].map(() => executeEvent({ job_id, agent_definition: slowly(14_000) }));
    for (const event of busy) await nats.send("agent.execute.busy", structured(event));
    await until(async () => (await consumerState(nats)).num_ack_pending === 2, {
      what: "the queue to be full",
    });
    const lost = executeEvent({ job_id });

    await nats.send("agent.execute.lost", structured(lost));
    const result = await resultFor(nats, lost.id, 25_000);

    expect(result.event).toMatchObject({
      subject: job_id,
      data: { job_id, error: { code: "deliveries_exhausted" } },
    });
    const letter = (await nats.kept("AGENT_EXECUTION_DEAD")).find(({ subject }) => subject === "agent.dead");
    expect(JSON.parse(letter?.text ?? "{}")).toEqual(JSON.parse(JSON.stringify(structured(lost))));
    await until(async () => (await consumerState(nats)).num_ack_pending <= 2, {
      what: "it to be out of the stream",
    });
    const { text } = await get(`${url}/metrics`);
    expect(text).toContain('agent_executor_nats_messages_total{outcome="exhausted"} 1');
  }, 60_000);

  it("lets go of messages once they are stored, where it is told so", async () => {
    const { database } = await start({ NATS_ACK: "stored" });
    const event = executeEvent({ agent_definition: slowly(1200) });

    await nats.send("agent.execute.stored", structured(event));
    await nats.send("agent.execute.stored", structured(event));
    await until(async () => (await consumerState(nats)).delivered.consumer_seq === 2, {
      what: "both to come",
    });
    await until(() => isAllAcknowledged(nats), { what: "both to be acknowledged" });

    const runs = await database.sql("select status from agent_executor.runs");
    expect(runs).toEqual([{ status: "running" }]);
    expect((await resultFor(nats, event.id)).subject).toBe("agent.status.completed");
  });

  it("keeps a process that a ping woke at work until its messages are done", async () => {
    const { url } = await start({});
    const event = executeEvent({ agent_definition: slowly(1200) });
    await nats.send("agent.execute.woken", structured(event));
    await until(async () => (await consumerState(nats)).num_ack_pending === 1, { what: "it to run" });
    const ping = { id: randomUUID(), source: "tests", type: "dev.knative.sources.ping", data: {} };

    const reply = await postEvent(url, ping);

    expect(reply.status).toBe(200);
    expect((await consumerState(nats)).num_ack_pending).toBe(0);
    expect(await resultsOf(nats)).toHaveLength(1);
  });
});
