import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Service } from "../../src/service.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { postEvent } from "../support/post.ts";
import { anEvent } from "../support/runs.ts";
import { startOn, startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

const slowly = (ms: number) => scripted({ content: "slow answer", delay_ms: ms });

describe("copies of an event, and callers that wait", () => {
  let service: TestService;
  let other: Service;
  beforeAll(async () => {
    service = await startTestService();
    other = await startOn(service.database);
  });
  afterAll(async () => {
    await other.close();
    await service.close();
  });
  const runsOf = async (event: { id: string }) =>
    await service.database.sql("select run_id, status from agent_executor.runs where event_id = $1", [
      event.id,
    ]);

  it("answers a copy of a finished event with the same bytes, and runs nothing", async () => {
    const event = executeEvent();
    const first = await postEvent(service.url, event);

    const again = await postEvent(service.url, event);
    const elsewhere = await postEvent(other.url, event, { mode: "structured" });

    for (const reply of [again, elsewhere]) {
      expect(reply.text).toBe(first.text);
      expect(reply.headers["ce-id"]).toBe(first.headers["ce-id"]);
      expect(reply.headers["ce-time"]).toBe(first.headers["ce-time"]);
    }
    expect(await runsOf(event)).toHaveLength(1);
  });

  it("lets a copy at another process join the run and get the same outcome", async () => {
    const event = executeEvent({ agent_definition: slowly(700) });
    const first = postEvent(service.url, event);
    await until(async () => (await runsOf(event)).length > 0, { what: "the run to start" });

    const joined = await postEvent(other.url, event);

    expect(joined.status).toBe(200);
    expect(joined.text).toBe((await first).text);
    expect(await runsOf(event)).toHaveLength(1);
  });

  it("lets one wait in a process, and sends the other copies away with 409 and Retry-After", async () => {
    const event = executeEvent({ agent_definition: slowly(500) });

    const replies = await Promise.all(Array.from({ length: 12 }, () => postEvent(service.url, event)));

    const statuses = replies.map((reply) => reply.status).sort();
    expect(statuses).toEqual([200, ...Array.from({ length: 11 }, () => 409)]);
    const refused = replies.find((reply) => reply.status === 409);
    expect(Number(refused?.headers["retry-after"])).toBeGreaterThan(0);
    expect(await runsOf(event)).toHaveLength(1);
  });

  it("lets a copy take the place of a caller that went away; the run goes on without either", async () => {
    const event = executeEvent({ agent_definition: slowly(900) });
    const impatient = new AbortController();
    const first = postEvent(service.url, event, { signal: impatient.signal }).catch(() => "gone");
    await until(async () => (await runsOf(event)).length > 0, { what: "the run to start" });
    impatient.abort();
    expect(await first).toBe("gone");

    const joined = await until(
      async () => {
        const reply = await postEvent(service.url, event);
        return reply.status === 409 ? undefined : reply;
      },
      { what: "the place to be free" },
    );

    expect(joined.status).toBe(200);
    expect(joined.json()).toMatchObject({ result: { output: "slow answer" } });
    expect(await runsOf(event)).toHaveLength(1);
  });

  it("answers 202 with the job's place when the caller prefers not to wait", async () => {
    const event = executeEvent({ agent_definition: slowly(200), job_id: "a job/with ü" });

    const reply = await postEvent(service.url, event, { headers: { prefer: "reply, respond-async" } });
    const copy = await postEvent(service.url, event, { headers: { prefer: "respond-async" } });

    expect([reply.status, reply.text]).toEqual([202, ""]);
    expect(reply.headers["location"]).toBe(`/jobs/${encodeURIComponent("a job/with ü")}`);
    expect(copy.status).toBe(409);
    const finished = async () => (await runsOf(event))[0]?.["status"] === "completed";
    await until(finished, { what: "the run to end without a caller" });
  });

  it("waits as long as the caller prefers, and answers 202 after that", async () => {
    const late = executeEvent({ agent_definition: slowly(3000) });
    const soon = executeEvent({ agent_definition: slowly(50) });
    const headers = { prefer: "wait=1" };

    const [lateReply, soonReply] = await Promise.all([
      postEvent(service.url, late, { headers }),
      postEvent(service.url, soon, { headers }),
    ]);

    expect(lateReply.status).toBe(202);
    expect(soonReply.status).toBe(200);
  });

  it("is told to come again when the process where it waits stops, and the run goes on", async () => {
    const third = await startOn(service.database);
    const event = executeEvent({ agent_definition: slowly(2500) });
    const first = postEvent(service.url, event);
    await until(async () => (await runsOf(event)).length > 0, { what: "the run to start" });
    const joined = postEvent(third.url, event);
    await new Promise((done) => setTimeout(done, 200)); // for the copy to be on its way

    await third.close();

    const reply = await joined;
    expect([reply.status, reply.json()]).toEqual([
      503,
      { error: expect.objectContaining({ code: "shutting_down" }) },
    ]);
    expect((await first).status).toBe(200);
  });

  it("takes up a run whose process died, once its lease has run out, and settles it once", async () => {
    const event = executeEvent({ agent_definition: slowly(100) });
    const dying = startTakenOver(event);
    await dying;

    const finished = async () => (await runsOf(event))[0]?.["status"] === "completed";
    await until(finished, { what: "another process to take the run", timeoutMs: 10_000 });
    const outbox = await service.database.sql("select 1 from agent_executor.outbox where job_id = $1", [
      event.data["job_id"],
    ]);
    expect(outbox).toHaveLength(1);
  });

  /** As a process leaves a run that was killed right after accept_run. */
  async function startTakenOver(event: ReturnType<typeof executeEvent>): Promise<void> {
    const { acceptRun } = await import("../../src/runs/repository.ts");
    const { serverPort } = await import("../support/ports.ts");
    const db = serverPort(service.database, 2);
    const { job_id, agent_definition, input } = event.data;
    const accepted = anEvent({
      source: event.source,
      eventId: event.id,
      jobId: String(job_id),
      request: { input },
      definitionHash: "taken-over",
      definition: JSON.stringify(agent_definition),
    });
    const limits = { worker: "dead", leaseSeconds: 0, maxQueued: 10, maxQueuedOfJob: 10 };
    expect(await acceptRun(db, accepted, limits)).toMatchObject({ status: "running" });
    await db.close();
  }
});
