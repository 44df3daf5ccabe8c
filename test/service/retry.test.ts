import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startToolServer, type ToolServer, workingAgent } from "../faults/tool-server.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { type JobState, jobAt, jobWhen, startJob } from "../support/jobs.ts";
import { get, postEvent, postJson } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";

let service: TestService;
let tools: ToolServer;
beforeAll(async () => {
  [service, tools] = await Promise.all([
    startTestService({ EGRESS_ALLOW: "127.0.0.0/8" }),
    startToolServer(),
  ]);
});
afterAll(async () => {
  await Promise.all([service.close(), tools.close()]);
});

const FAILS = scripted({ error: { status: 400, message: "no" } });
type Retried = { job_id: string; run_id: string };
type Run = {
  run_id: string;
  retry_of: string | null;
  events: { event: { causationid: string; type: string } }[];
};

const retry = (job: string, body: unknown = {}) => postJson(`${service.url}/jobs/${job}/retry`, body);
const runOf = async (job: string, run: string) =>
  (await get(`${service.url}/jobs/${job}/runs/${run}`)).json() as Run; // the contract of the route
const ended = (job: string, count: number) => {
  const isSettled = ({ status }: { status: string }) => !["queued", "running"].includes(status);
  const haveEnded = ({ runs }: JobState) => runs.length === count && runs.every(isSettled);
  return jobWhen(service.url, job, haveEnded, { what: `${count} settled runs`, timeoutMs: 5000 });
};

describe("a failed run", () => {
  it("runs again from its input, and its result names the event that caused the first", async () => {
    const { event, job } = await startJob(service.url, { agent_definition: FAILS });

    const reply = await retry(job);

    const { run_id } = reply.json() as Retried;
    expect(reply.status).toBe(202);
    const state = await ended(job, 2);
    expect(state.runs.map(({ status }) => status)).toEqual(["failed", "failed"]);
    const run = await runOf(job, run_id);
    expect(run.retry_of).not.toBeNull();
    expect(run.events.map((each) => each.event.causationid)).toEqual([event.id]);
  });

  it("is retried once, however many ask at once and afterwards", async () => {
    const { job, run: first } = await startJob(service.url, { agent_definition: FAILS });

    const replies = await Promise.all(Array.from({ length: 12 }, () => retry(job, { run_id: first })));
    await ended(job, 2);
    replies.push(await retry(job, { run_id: first }));

    expect(replies.filter(({ status }) => status === 202)).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(12);
    expect(new Set(replies.map((reply) => (reply.json() as Retried).run_id)).size).toBe(1);
    expect((await jobAt(service.url, job)).runs).toHaveLength(2);
  });

  it("keeps its own definition where a later turn has brought another", async () => {
    const { job, run: first } = await startJob(service.url, { agent_definition: FAILS });
    await postEvent(service.url, executeEvent({ job_id: job, agent_definition: scripted("the later one") }));

    await retry(job, { run_id: first });

    const state = await ended(job, 3);
    expect(state.runs.map(({ status }) => status)).toEqual(["failed", "completed", "failed"]);
    await postEvent(service.url, { ...executeEvent({ job_id: job }), data: { job_id: job, input: "next" } });
    expect((await jobAt(service.url, job)).result?.output).toBe("the later one");
  });

  describe("from its last checkpoint", () => {
    beforeEach(() => tools.calls.splice(0));

    it("goes on with new limits, and does no tool call again that was done", async () => {
      const { job } = await startJob(service.url, {
        agent_definition: workingAgent(tools.url, 2),
        limits: { tool_calls: 4 },
      });
      expect((await jobAt(service.url, job)).status).toBe("failed");
      const before = new Set(tools.counts().keys());

      await retry(job, { from: "checkpoint" });

      const state = await ended(job, 2);
      expect(state).toMatchObject({ status: "completed", result: { output: "all done" } });
      expect(state.usage.tool_calls).toBe(3); // of its own, not of the run before
      const after = [...tools.counts()].filter(([key]) => before.has(key));
      expect(after.every(([, count]) => count === 1)).toBe(true);
      expect(tools.calls.filter(({ body }) => body.includes("0"))).toHaveLength(3);
    });

    it("is refused once a later turn has begun", async () => {
      const { job, run: first } = await startJob(service.url, { agent_definition: FAILS });
      await postEvent(service.url, executeEvent({ job_id: job, agent_definition: scripted("later") }));

      const reply = await retry(job, { run_id: first, from: "checkpoint" });

      expect([reply.status, reply.text]).toEqual([409, expect.stringContaining("not_retryable")]);
    });
  });
});

describe("a run that has not failed", () => {
  it("is not retried when it has completed", async () => {
    const { job } = await startJob(service.url);

    const reply = await retry(job);

    expect([reply.status, reply.text]).toEqual([409, expect.stringContaining("not_retryable")]);
  });

  it("is not retried while it is at work", async () => {
    const event = executeEvent({ agent_definition: scripted({ content: "x", delay_ms: 30_000 }) });
    const job = String(event.data["job_id"]);
    await postEvent(service.url, event, { headers: { prefer: "respond-async" } });

    const reply = await retry(job);
    await postJson(`${service.url}/jobs/${job}/cancel`, {});
    await ended(job, 1);
    const afterwards = await retry(job);

    expect([reply.status, reply.text]).toEqual([409, expect.stringContaining("run_in_progress")]);
    expect(afterwards.status).toBe(202);
    await postJson(`${service.url}/jobs/${job}/cancel`, {});
  });

  it.each([
    ["nobody knows", randomUUID(), {}, 404],
    ["a run that is no id", randomUUID(), { run_id: "x" }, 400],
    ["a place to begin from that there is not", randomUUID(), { from: "the middle" }, 400],
    ["a body that is no object", randomUUID(), ["x"], 400],
  ])("is refused for a job or body that is %s", async (_, job, body, status) => {
    expect((await retry(job, body)).status).toBe(status);
  });
});
