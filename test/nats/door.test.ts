import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { callingAgent, type Interrupt, resumeEvent } from "../support/approvals.ts";
import { NatsServer } from "../support/nats-server.ts";
import { get, postEvent } from "../support/post.ts";
import { startOn, startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";
import { binary, consumerState, isAllAcknowledged, resultFor, resultsOf, structured } from "./messages.ts";

const slowly = (ms: number) => scripted({ content: "slow answer", delay_ms: ms });

describe("jobs by NATS", () => {
  let nats: NatsServer;
  let service: TestService;
  let tools: ToolServer;
  beforeAll(async () => {
    nats = await NatsServer.start();
    tools = await startToolServer();
    const env = { NATS_URL: nats.url, NATS_ACK_WAIT_SECONDS: "1", EGRESS_ALLOW: "127.0.0.0/8" };
    service = await startTestService(env);
    await until(() => consumerState(nats), { what: "the consumer" });
  });
  afterAll(async () => {
    await service.close();
    await tools.close();
    await nats.close();
  });
  const runsOf = async (id: string) =>
    await service.database.sql("select run_id, status from agent_executor.runs where event_id = $1", [id]);
  const allAcknowledged = () => until(() => isAllAcknowledged(nats), { what: "all to be acknowledged" });

  it("run, and their result stands in AGENT_RESULTS under the event's id", async () => {
    const event = executeEvent();

    await nats.send("agent.execute.one", structured(event));
    const result = await resultFor(nats, event.id);

    expect(result.subject).toBe("agent.status.completed");
    expect(result.headers).toMatchObject({
      "Nats-Msg-Id": result.event.id,
      "content-type": "application/cloudevents+json",
    });
    expect(result.event).toMatchObject({
      subject: event.data["job_id"],
      type: "dev.my-platform.agent.completed",
      data: { result: { output: "done" } },
    });
    await allAcknowledged();
  });

  it("may come in binary mode, with percent-encoded attributes", async () => {
    const event = { ...executeEvent(), id: `id ü ${randomUUID()}` };
    const headers = { ...binary(event), "ce-id": encodeURIComponent(event.id) };

    await nats.send("agent.execute.two", event.data, headers);

    expect((await resultFor(nats, event.id)).event.data).toMatchObject({ result: { output: "done" } });
  });

  it("take four times the wait of the consumer, and are delivered once and run once", async () => {
    const event = executeEvent({ agent_definition: slowly(4000) });
    const before = await consumerState(nats);

    await nats.send("agent.execute.long", structured(event));
    await resultFor(nats, event.id);
    await allAcknowledged();

    const after = await consumerState(nats);
    expect(after.delivered.consumer_seq - before.delivered.consumer_seq).toBe(1);
    const [run] = await service.database.sql("select attempt from agent_executor.runs where event_id = $1", [
      event.id,
    ]);
    expect(run?.["attempt"]).toBe(1);
  });

  it("are not acknowledged before they have ended", async () => {
    const event = executeEvent({ agent_definition: slowly(700) });

    await nats.send("agent.execute.held", structured(event));
    await until(async () => (await runsOf(event.id)).length > 0, { what: "the run to start" });

    expect((await consumerState(nats)).num_ack_pending).toBe(1);
    await allAcknowledged();
    expect((await runsOf(event.id))[0]?.["status"]).toBe("completed");
  });

  it("make one run with the same event over HTTP at once, and both get the result", async () => {
    const events = Array.from({ length: 10 }, () => executeEvent({ agent_definition: slowly(200) }));

    const replies = await Promise.all(
      events.map(async (event) => {
        const [reply] = await Promise.all([
          postEvent(service.url, event),
          nats.send("agent.execute.both", structured(event)),
        ]);
        return reply;
      }),
    );

    for (const [i, event] of events.entries()) {
      expect(await runsOf(event.id)).toHaveLength(1);
      const { event: result } = await resultFor(nats, event.id, 20_000);
      if (replies[i]?.status === 200) expect(replies[i]?.headers["ce-id"]).toBe(result.id);
      else expect(replies[i]?.status).toBe(409);
    }
    await until(() => isAllAcknowledged(nats), { what: "all to be acknowledged", timeoutMs: 20_000 });
  }, 60_000);

  it("get the stored result when the event came by HTTP before", async () => {
    const event = executeEvent();
    const reply = await postEvent(service.url, event);
    expect((await resultsOf(nats)).some(({ cause }) => cause === event.id)).toBe(false);

    await nats.send("agent.execute.again", structured(event));
    const result = await resultFor(nats, event.id);

    expect(result.event.id).toBe(reply.headers["ce-id"]);
    expect(await runsOf(event.id)).toHaveLength(1);
  });

  it("are acknowledged while they wait for a person, and so are those behind them; a decision lets them go on", async () => {
    const agent_definition = callingAgent(tools.url, [[{ name: "pay", args: { amount: 7 } }]]);
    const event = executeEvent({ agent_definition });
    const jobId = String(event.data["job_id"]);

    await nats.send("agent.execute.asks", structured(event));
    const asked = await resultFor(nats, event.id);
    expect(asked.subject).toBe("agent.status.interrupted");
    await allAcknowledged();
    const next = executeEvent({ job_id: jobId, agent_definition: undefined, input: "and then" });
    await nats.send("agent.execute.behind", structured(next));
    await until(async () => (await runsOf(next.id))[0]?.["status"] === "queued", { what: "the next turn" });
    await allAcknowledged();

    const [{ interrupt_id } = { interrupt_id: "" }] = asked.event.data["interrupts"] as Interrupt[];
    const decision = resumeEvent(jobId, { decisions: [{ interrupt_id, decision: "approve" }] });
    await nats.send("agent.resume.it", structured(decision));
    await until(
      async () =>
        (await resultsOf(nats)).some((one) => one.cause === event.id && one.subject.endsWith(".completed")),
      { what: "the first turn to complete", timeoutMs: 10_000 },
    );
    // The next turn asks the same, because its model does.
    expect((await resultFor(nats, next.id)).subject).toBe("agent.status.interrupted");

    expect(tools.calls).toHaveLength(1);
    await allAcknowledged();
  });

  it("can be cancelled by NATS", async () => {
    const event = executeEvent({ agent_definition: slowly(15_000) });
    const data = { job_id: event.data["job_id"], reason: "not wanted any more" };
    await nats.send("agent.execute.cancelled", structured(event));
    await until(async () => (await runsOf(event.id)).length > 0, { what: "the run to start" });

    const cancel = { ...executeEvent(data), type: "dev.my-platform.agent.cancel", data };
    await nats.send("agent.cancel.it", structured(cancel));

    const result = await resultFor(nats, event.id);
    expect([result.subject, result.event.data["reason"]]).toEqual([
      "agent.status.cancelled",
      "not wanted any more",
    ]);
    await allAcknowledged();
  });

  it("of one job go in the order of their arrival", async () => {
    const job_id = randomUUID();
    const turns = Array.from({ length: 20 }, () => executeEvent({ job_id }));

    for (const turn of turns) await nats.send("agent.execute.turns", structured(turn));
    await Promise.all(turns.map(({ id }) => resultFor(nats, id, 15_000)));

    const rows = await service.database.sql(
      "select event_id from agent_executor.runs where job_id = $1 order by seq",
      [job_id],
    );
    expect(rows.map((row) => row["event_id"])).toEqual(turns.map(({ id }) => id));
  });

  it("leave results of events that came by HTTP alone to HTTP", async () => {
    const event = executeEvent();

    const reply = await postEvent(service.url, event);

    expect(reply.headers["ce-type"]).toBe("dev.my-platform.agent.completed");
    const targets = await service.database.sql(
      "select target from agent_executor.outbox where event_id = $1",
      [reply.headers["ce-id"]],
    );
    expect(targets).toEqual([{ target: "reply" }]);
  });

  it("show in /ready and /metrics", async () => {
    const ready = await get(`${service.url}/ready`);
    expect(ready.json()).toMatchObject({ status: "ready", services: { nats: true } });
    const { text } = await get(`${service.url}/metrics`);
    expect(text).toMatch(/agent_executor_nats_messages_total\{outcome="acknowledged"\} [1-9]/);
    expect(text).toMatch(/agent_executor_nats_in_hand 0/);
  });

  it("go on in another process when theirs is stopped", async () => {
    const other = await startOn(service.database, {
      NATS_URL: nats.url,
      NATS_ACK_WAIT_SECONDS: "1",
      SHUTDOWN_GRACE_SECONDS: "0",
    });
    const events = Array.from({ length: 6 }, () => executeEvent({ agent_definition: slowly(1500) }));
    for (const event of events) await nats.send("agent.execute.moving", structured(event));
    await until(async () => (await consumerState(nats)).num_ack_pending === 6, { what: "all to run" });

    await other.close();

    await Promise.all(events.map(({ id }) => resultFor(nats, id, 15_000)));
    const rows = await service.database.sql(
      "select count(*)::int as n from agent_executor.runs where event_id = any($1)",
      [events.map(({ id }) => id)],
    );
    expect(rows).toEqual([{ n: 6 }]);
    await allAcknowledged();
  }, 40_000);
});
