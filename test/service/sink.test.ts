import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { executeEvent, scripted } from "../support/agents.ts";
import { postEvent } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { type Sink, startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";

describe("results that go to a sink", () => {
  let sink: Sink;
  let service: TestService;
  beforeAll(async () => {
    sink = await startSink();
    service = await startTestService({
      K_SINK: `${sink.url}/some/path?x=1`,
      K_CE_OVERRIDES: JSON.stringify({ extensions: { cluster: "blue €", causationid: "theirs" } }),
      SINK_DEADLINE_SECONDS: "1",
      K_SINK_TIMEOUT: "1",
    });
  });
  beforeEach(() => sink.behave("ok"));
  afterAll(async () => {
    await service.close();
    await sink.close();
  });
  const arrivals = (event: { data: Record<string, unknown> }) =>
    sink.received.filter((each) => each.event?.subject === event.data["job_id"]);
  const outboxOf = async (event: { data: Record<string, unknown> }) =>
    (
      await service.database.sql(
        "select attempts, delivered_at, parked_at, last_error from agent_executor.outbox where job_id = $1",
        [event.data["job_id"]],
      )
    )[0];

  it("posts the result in binary mode and answers 200 with nothing", async () => {
    const event = executeEvent({ agent_definition: scripted("für den Empfänger") });

    const reply = await postEvent(service.url, event);

    expect([reply.status, reply.text, reply.headers["content-type"]]).toEqual([200, "", undefined]);
    const [arrival] = arrivals(event);
    expect(arrival?.event).toMatchObject({
      type: "dev.my-platform.agent.completed",
      source: "agent-executor-service",
      cluster: "blue €",
      causationid: "theirs",
      data: { result: { output: "für den Empfänger" } },
    });
    expect(sink.problems).toEqual([]);
    await until(async () => (await outboxOf(event))?.["delivered_at"] != null, { what: "the mark" });
  });

  it("only emits again for a copy whose result was never taken, with the same id and bytes", async () => {
    sink.behave({ status: 503 });
    const event = executeEvent();

    const first = await postEvent(service.url, event);
    expect(first.status).toBe(503);
    expect(Number(first.headers["retry-after"])).toBeGreaterThan(0);
    sink.behave("ok");
    const again = await until(
      async () => {
        const reply = await postEvent(service.url, event);
        return reply.status === 200 ? reply : undefined;
      },
      { what: "the sink to have it", timeoutMs: 10_000 },
    );

    expect(again.text).toBe("");
    const tries = arrivals(event);
    expect(tries.length).toBeGreaterThanOrEqual(2);
    expect(new Set(tries.map((each) => each.headers["ce-id"])).size).toBe(1);
    expect(new Set(tries.map((each) => each.body.toString())).size).toBe(1);
    const runs = await service.database.sql("select 1 from agent_executor.runs where event_id = $1", [
      event.id,
    ]);
    expect(runs).toHaveLength(1);
  });

  it.each([400, 401, 403, 405, 410, 413, 415, 422])(
    "parks a result that the sink refuses with %i",
    async (status) => {
      sink.behave({ status });
      const event = executeEvent();

      const reply = await postEvent(service.url, event);

      expect([reply.status, reply.text]).toEqual([200, ""]);
      expect(arrivals(event)).toHaveLength(1);
      expect(await outboxOf(event)).toMatchObject({ delivered_at: null, last_error: `status ${status}` });
      expect((await outboxOf(event))?.["parked_at"]).not.toBeNull();
    },
  );

  it("does not follow a redirect: it is tried again later, like a 404 and a 429", async () => {
    for (const status of [302, 404, 429]) {
      sink.behave({ status, headers: { location: `${sink.url}/elsewhere`, "retry-after": "600" } });
      const event = executeEvent();

      expect((await postEvent(service.url, event)).status, String(status)).toBe(503);

      expect(arrivals(event)).toHaveLength(1);
      expect(await outboxOf(event)).toMatchObject({
        parked_at: null,
        attempts: 1,
        last_error: `status ${status}`,
      });
    }
  });

  it("gives up on a sink that does not answer, and on one that cuts the line, and comes back later", async () => {
    for (const behaviour of ["hang", "drop"] as const) {
      sink.behave(behaviour);
      const event = executeEvent();

      expect((await postEvent(service.url, event)).status, behaviour).toBe(503);

      sink.behave("ok");
      const taken = async () => (await outboxOf(event))?.["delivered_at"] != null;
      await until(taken, { what: `delivery after "${behaviour}"`, timeoutMs: 10_000 });
    }
  });

  it("keeps the order of a job's events when the first one is stuck", async () => {
    sink.behave({ status: 503 });
    const job_id = "in-order";
    await Promise.all(
      [0, 1, 2].map((n) => postEvent(service.url, executeEvent({ job_id, input: String(n) }))),
    );
    const stuck = arrivals({ data: { job_id } }).length;
    sink.behave("ok");

    const all = async () => sink.accepted().filter((event) => event.subject === job_id).length === 3;
    await until(all, { what: "three results", timeoutMs: 15_000 });

    const runs = await service.database.sql(
      "select run_id from agent_executor.runs where job_id = $1 order by seq",
      [job_id],
    );
    const delivered = sink.accepted().filter((event) => event.subject === job_id);
    expect(delivered.map((event) => (event.data as { run_id: string }).run_id)).toEqual(
      runs.map((run) => run["run_id"]),
    );
    expect(stuck).toBeGreaterThanOrEqual(1);
  });
});

describe("a sink that was away for long", () => {
  it("gets what has backed off soon after it takes anything again", async () => {
    const sink = await startSink();
    const service = await startTestService({
      K_SINK: sink.url,
      K_SINK_TIMEOUT: "1",
      SINK_DEADLINE_SECONDS: "1",
    });
    sink.behave({ status: 503 });
    const resting = executeEvent();
    await postEvent(service.url, resting);
    // As after a night: the next attempt is an hour away.
    await service.database.sql(
      "update agent_executor.outbox set attempts = 9, next_attempt_at = now() + interval '1 hour'",
    );
    await postEvent(service.url, executeEvent({ job_id: "one more failure" }));

    sink.behave("ok");
    await postEvent(service.url, executeEvent());

    const arrived = () => sink.accepted().some((event) => event.subject === resting.data["job_id"]);
    await until(arrived, { what: "the resting result", timeoutMs: 15_000 });
    await service.close();
    await sink.close();
  });
});
