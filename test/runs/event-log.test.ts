import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";
import type { Database } from "../../src/postgres/database.ts";
import { claimRuns } from "../../src/runs/claim.ts";
import { acceptRun } from "../../src/runs/repository.ts";
import { deleteExpired } from "../../src/runs/retention.ts";
import { type SettlingRun, settleRun } from "../../src/runs/settle.ts";
import type { Trace } from "../../src/runs/trace.ts";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { callingAgent, resumeEvent } from "../support/approvals.ts";
import { jobAt } from "../support/jobs.ts";
import { ports } from "../support/ports.ts";
import { get, postEvent, postJson } from "../support/post.ts";
import { anEvent } from "../support/runs.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { sharedDatabase } from "../support/shared.ts";
import { type Sink, startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const usage = {
  input_tokens: 1,
  output_tokens: 2,
  total_tokens: 3,
  model_calls: 1,
  tool_calls: 0,
  steps: 1,
  seconds: 0,
};
const sender = {
  prefix: "p",
  source: "s",
  overrides: new Map<string, string>(),
  targets: [],
  firstAttemptSeconds: 0,
};
const limits = { worker: "w1", leaseSeconds: 30, maxQueued: 1000, maxQueuedOfJob: 100 };

type Entry = { type: string; who: string; digest: string | null; details: string; payload: string | null };

async function aRun(db: Database, request: Record<string, unknown> = { input: "hi" }, subject?: string) {
  const caller = subject === undefined ? undefined : { subject, groups: [], isOperator: false };
  const event = anEvent({ request, caller });
  const { runId, jobId, attempt } = await acceptRun(db, event, limits);
  const run: SettlingRun = { runId, jobId, attempt, eventId: event.eventId, traceparent: null };
  return run;
}

const entriesOf = async (db: Database, jobId: string) =>
  await db.query<Entry>(
    "entries",
    "select type, who, digest, details, payload from event_log where job_id = $1 order by entry_no",
    [jobId],
  );

describe.each(ports)("the event log on $name", ({ open }) => {
  const db = sharedDatabase(open);

  it("says who, what and when, with the digest of what it was about, in the run's own statements", async () => {
    const run = await aRun(db, { input: "hi" }, "alice");
    await settleRun(
      db,
      run,
      { kind: "completed", data: { result: { output: "x\u0000y" }, usage }, usage },
      sender,
    );

    const entries = await entriesOf(db, run.jobId);

    expect(entries.map(({ type, who }) => [type, who])).toEqual([
      ["run.accepted", "subject:alice"],
      ["run.settled", "worker:w1"],
    ]);
    expect(entries[0]?.digest).toBe(sha256('{"input":"hi"}'));
    expect(JSON.parse(entries[1]?.details ?? "")).toMatchObject({
      status: "completed",
      usage: { total_tokens: 3 },
    });
    expect(entries.map(({ payload }) => payload)).toEqual([null, null]);
  });

  it("has nothing of what was rolled back, or of a copy", async () => {
    const run = await aRun(db);
    await db
      .transaction(async (tx) => {
        await tx.query("end", "update runs set status = 'cancelled' where run_id = $1", [run.runId]);
        throw new Error("no");
      })
      .catch(() => undefined);

    expect((await entriesOf(db, run.jobId)).map(({ type }) => type)).toEqual(["run.accepted"]);
  });

  it("says from whom a run was taken over", async () => {
    const run = await aRun(db);
    await db.query("expire", "update runs set leased_until = now() - interval '1 minute' where run_id = $1", [
      run.runId,
    ]);

    await claimRuns(db, "w2", 30, 10, true);

    const [, claimed] = await entriesOf(db, run.jobId);
    expect(claimed).toMatchObject({ type: "run.claimed", who: "worker:w2" });
    expect(JSON.parse(claimed?.details ?? "")).toMatchObject({ attempt: 2, taken_over_from: "w1" });
  });

  it("lets nobody change or delete an entry, but the retention", async () => {
    const run = await aRun(db);
    for (const text of ["update event_log set who = 'me'", "delete from event_log", "truncate event_log"]) {
      await expect(db.query("forge", text)).rejects.toThrow("append-only");
    }
    await settleRun(db, run, { kind: "cancelled", data: { reason: "r" }, usage }, sender);
    for (const text of [
      "update jobs set created_at = now() - interval '9 days' where job_id = $1",
      "update runs set settled_at = now() - interval '9 days' where job_id = $1",
      "update outbox set delivered_at = now() - interval '9 days' where job_id = $1",
    ])
      await db.query(text.slice(0, 20), text, [run.jobId]);

    await deleteExpired({ db, days: 7 });

    expect((await entriesOf(db, run.jobId)).map(({ type, who }) => [type, who])).toEqual([
      ["job.deleted", "retention"],
    ]);
    expect(await deleteExpired({ db, days: 7 })).toBe(0);
    expect(await entriesOf(db, run.jobId)).toHaveLength(1); // it is young itself
  });
});

describe.each(ports)("levels of the event log on $name", ({ open }) => {
  it("are by type, then by what stands before its dot, then for all; verbose shows the start, without secrets", async () => {
    const { db, close } = await open(";run.accepted=verbose;run=off;=standard");
    const secrets = {
      api_key: "sk-1234567890abcdef",
      nested: '{"password":"hunter2"}',
      header: "Bearer abcdefghijkl",
    };
    const run = await aRun(db, { input: "x".repeat(3000), ...secrets });
    await settleRun(db, run, { kind: "failed", data: { error: { code: "internal" } }, usage }, sender);
    const leaky = await aRun(db, secrets);

    const [accepted, ...rest] = await entriesOf(db, run.jobId);
    const [small] = await entriesOf(db, leaky.jobId);
    await close();

    expect(rest).toEqual([]);
    const whole = JSON.stringify({ input: "x".repeat(3000), ...secrets });
    const shown = JSON.parse(accepted?.payload ?? "") as { text: string; omitted_chars: number };
    expect(shown.text).toHaveLength(2000);
    expect(shown.omitted_chars).toBeGreaterThan(whole.length - 2100);
    expect(JSON.parse(small?.payload ?? "").text).toMatch(/"api_key":"\[redacted\]/);
    expect(small?.payload).not.toMatch(/hunter2|1234567890|abcdefghijkl/);
  });

  it("off for all keeps nothing", async () => {
    const { db, close } = await open(";=off");
    const run = await aRun(db);

    expect(await entriesOf(db, run.jobId)).toEqual([]);
    await close();
  });
});

describe("the variables of the event log", () => {
  const levels = (env: Record<string, string>) => readConfig(env).config.eventLog;

  it("become what the database reads, and nothing where all is as usual", () => {
    expect(levels({})).toBeUndefined();
    expect(levels({ EVENT_LOG_LEVEL: "VERBOSE" })).toBe(";=verbose");
    expect(levels({ EVENT_LOG_LEVELS: "result=OFF, run.settled=verbose" })).toBe(
      ";result=off;run.settled=verbose;=standard",
    );
  });

  it.each(["result", "result=loud", "tool=off", "run=off;drop", "run='off'"])("refuse %j", (value) => {
    expect(() => levels({ EVENT_LOG_LEVELS: value })).toThrow("EVENT_LOG_LEVELS");
  });
});

describe("the trace of a job", () => {
  let sink: Sink;
  let tools: ToolServer;
  let service: TestService;
  beforeAll(async () => {
    [sink, tools] = await Promise.all([startSink(), startToolServer()]);
    service = await startTestService({ K_SINK: sink.url, EGRESS_ALLOW: "127.0.0.0/8" });
  });
  afterAll(async () => {
    await service.close();
    await Promise.all([sink.close(), tools.close()]);
  });
  const traceOf = async (job: string) => (await get(`${service.url}/jobs/${job}/trace`)).json() as Trace;

  it("joins events, attempts, steps, tools, decisions, deliveries and the log", async () => {
    const agent_definition = callingAgent(tools.url, [[{ name: "pay", args: { amount: 5 } }]]);
    const event = executeEvent({ agent_definition });
    const job = String(event.data["job_id"]);
    await postEvent(service.url, event);
    const { interrupts } = await jobAt(service.url, job);
    const decisions = [{ interrupt_id: interrupts[0]?.interrupt_id, decision: "approve", approver: "bob" }];
    await postEvent(service.url, resumeEvent(job, { decisions }));
    const delivered = async () => {
      const { runs } = await traceOf(job);
      return runs[0]?.log.filter(({ type }) => type === "result.delivered").length === 2 && runs[0];
    };

    const run = await until(delivered, { what: "two deliveries" });

    expect(run.status).toBe("completed");
    expect(run.events.map(({ kind }) => kind)).toEqual(["execute", "resume"]);
    expect(run.attempts.map(({ attempt, end }) => [attempt, end])).toEqual([
      [1, "waiting"],
      [2, "settled"],
    ]);
    expect(run.attempts.every(({ worker, steps }) => worker !== null && steps.length > 0)).toBe(true);
    expect(run.attempts[1]?.tools).toMatchObject([{ tool: "pay", state: "done" }]);
    expect(run.decisions).toMatchObject([{ tool: "pay", decision: "approve", decided_by: "bob" }]);
    expect(run.deliveries.map(({ type }) => type.split(".").at(-1))).toEqual(["interrupted", "completed"]);
    expect(run.log.map(({ type }) => type).filter((type) => !type.startsWith("result"))).toEqual([
      ...["run.accepted", "run.waiting", "decision.made", "run.released", "run.claimed", "run.settled"],
    ]);
    expect(run.log.find(({ type }) => type === "decision.made")?.details).toMatchObject({
      decision: "approve",
    });
  });

  it("shows a cancel and a retry with who asked, as far as that is known", async () => {
    const slow = executeEvent({ agent_definition: scripted({ content: "late", delay_ms: 20_000 }) });
    const job = String(slow.data["job_id"]);
    await postEvent(service.url, slow, { headers: { prefer: "respond-async" } });
    await until(async () => (await jobAt(service.url, job)).status === "running", { what: "the run" });
    await postJson(`${service.url}/jobs/${job}/cancel`, { reason: "enough" });
    await until(async () => (await jobAt(service.url, job)).status === "cancelled", { what: "its end" });
    await postJson(`${service.url}/jobs/${job}/retry`, {});

    const { runs } = await traceOf(job);

    expect(runs[0]?.log.map(({ type, who }) => [type, who.split(":")[0]])).toEqual(
      expect.arrayContaining([
        ["run.cancel_requested", "anyone"],
        ["run.settled", "worker"],
      ]),
    );
    expect(runs[1]?.log[0]).toMatchObject({ type: "run.retried", who: "anyone" });
    await postJson(`${service.url}/jobs/${job}/cancel`, {});
  });

  it("of a job that there is not is 404", async () => {
    expect((await get(`${service.url}/jobs/nothing/trace`)).status).toBe(404);
  });
});
