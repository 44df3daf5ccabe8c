import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postponeRun } from "../../src/runs/repository.ts";
import type { Service } from "../../src/service.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { serverPort } from "../support/ports.ts";
import { get, postEvent, postJson, send } from "../support/post.ts";
import { startOn, startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

const LONG = scripted({ content: "never said", delay_ms: 30_000 });

describe("cancelling", () => {
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

  const cancelEvent = (job_id: string, data: Record<string, unknown> = {}) => ({
    id: randomUUID(),
    source: "tests",
    type: "dev.my-platform.agent.cancel",
    data: { job_id, ...data },
  });
  const statusesOf = async (job_id: string) =>
    (
      await service.database.sql("select status from agent_executor.runs where job_id = $1 order by seq", [
        job_id,
      ])
    ).map((row) => row["status"]);
  /** A job with a long run at work, and its caller's pending answer. */
  const aLongRun = async () => {
    const event = executeEvent({ agent_definition: LONG });
    const job_id = String(event.data["job_id"]);
    const answer = postEvent(service.url, event, { timeoutMs: 40_000 });
    await until(async () => (await statusesOf(job_id))[0] === "running", { what: "the run to start" });
    return { event, job_id, answer };
  };

  it("takes hold of a run that is put off again and again, however short its attempts are", async () => {
    const agent_definition = scripted({ error: { status: 503, message: "busy" } });
    const event = executeEvent({ agent_definition });
    const job_id = String(event.data["job_id"]);
    await postEvent(service.url, event, { headers: { prefer: "respond-async" } });
    await until(async () => (await statusesOf(job_id))[0] === "queued", { what: "it to be put off" });

    // As a cancel does that comes while an attempt is at work, of which no process lives to be told.
    await service.database.sql(
      "update agent_executor.runs set cancel_requested_at = now(), cancel_reason = 'enough', not_before = now() where job_id = $1",
      [job_id],
    );

    await until(async () => (await statusesOf(job_id))[0] === "cancelled", { what: "its end" });
    const [row] = await service.database.sql(
      "select outcome, attempt from agent_executor.runs where job_id = $1",
      [job_id],
    );
    expect(JSON.parse(String(row?.["outcome"]))).toMatchObject({ reason: "enough" });
  });

  it("is no lost request where it comes between an attempt's failure and the queue", async () => {
    const { job_id } = await aLongRun();
    const [run] = await service.database.sql(
      `update agent_executor.runs set cancel_requested_at = now(), cancel_reason = 'enough' where job_id = $1
       returning run_id as "runId", attempt`,
      [job_id],
    );

    const db = serverPort(service.database, 1);
    const isQueued = await postponeRun(db, run as { runId: string; attempt: number }, 0, 0);
    await db.close();

    expect(isQueued).toBe(false);
    await until(async () => (await statusesOf(job_id))[0] === "cancelled", { what: "its end" });
  });

  it.each(["the process that runs it", "another process"])(
    "by event to %s ends the run within a second",
    async (who) => {
      const { event, job_id, answer } = await aLongRun();
      const startedAt = performance.now();

      const door = who === "another process" ? other.url : service.url;
      const reply = await postEvent(door, cancelEvent(job_id, { reason: "changed my mind" }));

      expect(performance.now() - startedAt).toBeLessThan(1500); // the second, and two requests
      for (const each of [reply, await answer]) {
        expect(each.headers["ce-type"]).toBe("dev.my-platform.agent.cancelled");
        expect(each.headers["ce-causationid"]).toBe(event.id);
        expect(each.json()).toMatchObject({ job_id, reason: "changed my mind" });
      }
      expect(await statusesOf(job_id)).toEqual(["cancelled"]);
    },
  );

  it("ends queued runs as well, one event each, and a copy of the request gets the same answer", async () => {
    const { job_id, answer } = await aLongRun();
    const queued = postEvent(service.url, executeEvent({ job_id }), { timeoutMs: 40_000 });
    await until(async () => (await statusesOf(job_id)).length === 2, { what: "the second run to be queued" });
    const request = cancelEvent(job_id);

    const reply = await postEvent(other.url, request);
    const copy = await postEvent(other.url, request);

    const answers = await Promise.all([answer, queued]);
    expect(answers.map((each) => each.headers["ce-type"])).toEqual(
      Array.from({ length: 2 }, () => "dev.my-platform.agent.cancelled"),
    );
    expect(new Set(answers.map((each) => each.headers["ce-id"])).size).toBe(2);
    expect(copy.text).toBe(reply.text);
    expect(await statusesOf(job_id)).toEqual(["cancelled", "cancelled"]);
  });

  it("ends just the run that it names", async () => {
    const { job_id } = await aLongRun();
    const second = executeEvent({ job_id });
    await postEvent(service.url, second, { headers: { prefer: "respond-async" } });
    const { runs } = (await get(`${service.url}/jobs/${job_id}`)).json() as { runs: { run_id: string }[] };

    await postEvent(service.url, cancelEvent(job_id, { run_id: runs[0]?.run_id }));

    const ended = async () => (await statusesOf(job_id)).join() === "cancelled,completed";
    await until(ended, { what: "the second run to go on" });
  });

  it("leaves the thread as the last completed turn left it", async () => {
    const job_id = randomUUID();
    await postEvent(service.url, executeEvent({ job_id, agent_definition: scripted("kept") }));
    const cut = postEvent(service.url, executeEvent({ job_id, agent_definition: LONG, input: "lost" }));
    await until(async () => (await statusesOf(job_id))[1] === "running", { what: "the second turn to run" });
    await postEvent(service.url, cancelEvent(job_id));
    await cut;

    const next = await postEvent(service.url, executeEvent({ job_id, agent_definition: scripted("next") }));

    expect(next.json()).toMatchObject({ result: { output: "next" } });
    const [row] = await service.database.sql(
      `select convert_from(b.blob, 'UTF8') as messages from agent_executor.checkpoint_blobs b
        where b.thread_id = $1 and b.channel = 'messages' order by b.version desc limit 1`,
      [job_id],
    );
    expect(String(row?.["messages"])).toContain("kept");
    expect(String(row?.["messages"])).not.toContain("lost");
  });

  it("ends a run that nobody works on any more, without waiting for a worker", async () => {
    const { job_id, answer } = await aLongRun();
    const [run] = await service.database.sql("select run_id from agent_executor.runs where job_id = $1", [
      job_id,
    ]);
    await service.database.sql(
      "update agent_executor.runs set leased_until = now() - interval '1 second', attempt = attempt + 1 where run_id = $1",
      [run?.["run_id"]],
    );

    const reply = await postEvent(other.url, cancelEvent(job_id));

    expect(reply.headers["ce-type"]).toBe("dev.my-platform.agent.cancelled");
    expect((await answer).headers["ce-type"]).toBe("dev.my-platform.agent.cancelled");
  });

  it("of an unknown job is 422 by event and 404 by path; of a finished job it is 200, and changes nothing", async () => {
    const finished = executeEvent();
    await postEvent(service.url, finished);
    const job_id = String(finished.data["job_id"]);

    const unknown = await postEvent(service.url, cancelEvent(randomUUID()));
    const unknownPath = await postJson(`${service.url}/jobs/${randomUUID()}/cancel`, {});
    const done = await postEvent(service.url, cancelEvent(job_id));
    const donePath = await postJson(`${service.url}/jobs/${job_id}/cancel`, {});

    expect([unknown.status, unknownPath.status]).toEqual([422, 404]);
    expect([done.status, done.text]).toEqual([200, ""]);
    expect([donePath.status, donePath.json()]).toEqual([200, { job_id, status: "completed" }]);
    expect(await statusesOf(job_id)).toEqual(["completed"]);
  });

  it("by path answers 202 and the run ends; the body may be left out, and nonsense is 400", async () => {
    const { job_id, answer } = await aLongRun();
    const url = `${other.url}/jobs/${job_id}/cancel`;

    for (const body of [{ run_id: "x" }, { reason: 5 }, [], { reason: "\u0000" }]) {
      expect((await postJson(url, body)).status, JSON.stringify(body)).toBe(400);
    }
    const reply = await send("POST", url, undefined);

    expect(reply.status).toBe(202);
    expect(reply.json()).toMatchObject({ job_id });
    expect((await answer).headers["ce-type"]).toBe("dev.my-platform.agent.cancelled");
  });

  it("and completing at the same moment end in exactly one outcome, fifty times", async () => {
    const short = scripted({ content: "done", delay_ms: 15 });
    const jobs = Array.from({ length: 50 }, () => randomUUID());

    await Promise.all(
      jobs.map(async (job_id, i) => {
        const answer = postEvent(service.url, executeEvent({ job_id, agent_definition: short }));
        await new Promise((done) => setTimeout(done, i % 25));
        await postEvent(i % 2 ? service.url : other.url, cancelEvent(job_id)).catch(() => undefined);
        const type = String((await answer).headers["ce-type"]);
        expect(type).toMatch(/completed|cancelled/);
      }),
    );

    const rows = await service.database.sql(
      "select job_id, count(*)::int as n from agent_executor.outbox where job_id = any($1) group by job_id",
      [jobs],
    );
    expect(rows).toHaveLength(50);
    expect(rows.every((row) => row["n"] === 1)).toBe(true);
  });
});
