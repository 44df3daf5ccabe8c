import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeEvent } from "../support/agents.ts";
import { resumeEvent } from "../support/approvals.ts";
import { NatsServer } from "../support/nats-server.ts";
import { get } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { type Sink, startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { consumerState, isAllAcknowledged, resultFor, resultsOf, structured } from "./messages.ts";

describe("a message that can never become a run", () => {
  let nats: NatsServer;
  let service: TestService;
  let sink: Sink;
  beforeAll(async () => {
    nats = await NatsServer.start();
    sink = await startSink();
    service = await startTestService({ NATS_URL: nats.url, NATS_ACK_WAIT_SECONDS: "1", K_SINK: sink.url });
    await until(() => consumerState(nats), { what: "the consumer" });
    const first = executeEvent(); // loads what runs need, so that the others can be timed
    await nats.send("agent.execute.first", structured(first));
    await resultFor(nats, first.id);
  });
  afterAll(async () => {
    await service.close();
    await sink.close();
    await nats.close();
  });
  const dead = async () => await nats.kept("AGENT_EXECUTION_DEAD");
  const failedOf = async (jobId: string) =>
    (await resultsOf(nats)).filter(
      ({ subject, event }) => subject.endsWith(".failed") && event.subject === jobId,
    );

  it("ends in one failed event and in the dead letters, and the next one does not wait", async () => {
    const next = executeEvent();

    await nats.send("agent.execute.poison", "{ this is no JSON", { "x-own": "kept", "Nats-Msg-Id": "p1" });
    const sentAt = performance.now();
    await nats.send("agent.execute.next", structured(next));
    await resultFor(nats, next.id);

    expect(performance.now() - sentAt).toBeLessThan(1000);
    const failed = await until(async () => (await failedOf("unknown"))[0], { what: "the failed event" });
    expect(failed.event.data).toMatchObject({
      job_id: "unknown",
      error: { code: "invalid_event", retryable: false },
    });
    const [letter] = await until(dead, { what: "the dead letter" });
    expect(letter).toMatchObject({ subject: "agent.dead", text: "{ this is no JSON" });
    expect(letter?.headers).toMatchObject({
      "Agent-Error-Code": "invalid_event",
      "Agent-Subject": "agent.execute.poison",
      "x-own": "kept",
    });
    await until(() => isAllAcknowledged(nats), { what: "the message to be gone" });
    const atSink = () =>
      sink.accepted().some(({ type, subject }) => type.endsWith("failed") && subject === "unknown");
    await until(atSink, { what: "the failed event at the sink" });
    expect(await failedOf("unknown")).toHaveLength(1);
    expect(sink.problems).toEqual([]);
  });

  it.each([
    ["nothing at all", "", {}],
    ["a bare job", JSON.stringify({ job_id: "bare", input: "x" }), {}],
    ["bytes that are no text", Buffer.from([0xff, 0xfe, 0x00]), {}],
    ["an event of another type", JSON.stringify(structured({ ...executeEvent(), type: "other" })), {}],
    [
      "a batch",
      JSON.stringify([structured(executeEvent())]),
      { "content-type": "application/cloudevents-batch+json" },
    ],
    ["headers that are no attributes", "{}", { "ce-specversion": "1.0", "ce-id": "%zz" }],
    ["a list", "[]", {}],
    ["depth", `${"[".repeat(5000)}${"]".repeat(5000)}`, {}],
  ])("may be %s", async (_what, body, headers) => {
    const before = (await dead()).length;

    await nats.send("agent.execute.poison", body, headers as Record<string, string>);

    await until(async () => (await dead()).length === before + 1, { what: "the dead letter" });
    await until(() => isAllAcknowledged(nats), { what: "the message to be gone" });
  });

  it("is told of under the job's id where that can be read", async () => {
    const jobId = randomUUID();
    const event = executeEvent({ job_id: jobId, agent_definition: undefined }); // the first, without a definition

    await nats.send("agent.execute.poison", structured(event));
    const failed = await resultFor(nats, event.id);

    expect(failed.event).toMatchObject({
      subject: jobId,
      data: { job_id: jobId, error: { code: "invalid_event", path: "/data/agent_definition" } },
    });
    expect(failed.event.data).not.toHaveProperty("run_id");
  });

  it("may be as large as NATS lets it: the dead letter says what was left out", async () => {
    const before = (await dead()).length;
    const { max_payload: most = 0 } = (await nats.client()).info ?? {};

    await nats.send("agent.execute.poison", "x".repeat(most - 200));

    const letters = await until(async () => (await dead()).length > before && (await dead()), {
      what: "the letter",
    });
    expect(letters.at(-1)?.text).toBe("");
    expect(letters.at(-1)?.headers["Agent-Payload"]).toMatch(/^left out: \d+ bytes$/);
  });

  it("says nothing about the job when it is only a decision that comes to nothing", async () => {
    const event = executeEvent();
    const jobId = String(event.data["job_id"]);
    await nats.send("agent.execute.fine", structured(event));
    await resultFor(nats, event.id);
    const before = (await dead()).length;

    await nats.send("agent.resume.none", structured(resumeEvent(jobId, { resume: "yes" })));

    const letters = await until(async () => (await dead()).length > before && (await dead()), {
      what: "the letter",
    });
    expect(letters.at(-1)?.headers["Agent-Error-Code"]).toBe("unknown_interrupt");
    expect(await failedOf(jobId)).toEqual([]);
    await until(() => isAllAcknowledged(nats), { what: "the message to be gone" });
  });

  it.each([
    ["resume", { decisions: [{ interrupt_id: "none", decision: "approve" }] }],
    ["cancel", { run_id: "none" }],
  ])("says nothing about the job when it is only a %s that nobody can read", async (verb, rest) => {
    const event = executeEvent();
    const jobId = String(event.data["job_id"]);
    await nats.send("agent.execute.fine", structured(event));
    await resultFor(nats, event.id);
    const before = (await dead()).length;

    const type = `dev.my-platform.agent.${verb}`;
    await nats.send(`agent.${verb}.it`, structured({ ...resumeEvent(jobId, rest), type }));

    const letters = await until(async () => (await dead()).length > before && (await dead()), {
      what: "the letter",
    });
    expect(letters.at(-1)?.headers["Agent-Error-Code"]).toBe("invalid_event");
    expect(await failedOf(jobId)).toEqual([]);
  });

  it("is counted", async () => {
    const { text } = await get(`${service.url}/metrics`);

    expect(text).toMatch(/agent_executor_nats_messages_total\{outcome="dead"\} [1-9]/);
  });
});

describe("a bare job", () => {
  it("is taken with ACCEPT_RAW_JOBS, once for each message id", async () => {
    const nats = await NatsServer.start();
    const service = await startTestService({ NATS_URL: nats.url, ACCEPT_RAW_JOBS: "true" });
    await until(() => consumerState(nats), { what: "the consumer" });
    const { data } = executeEvent();

    await nats.send("agent.execute.raw", data, { "Nats-Msg-Id": "raw-1" });
    await nats.send("agent.execute.raw", { data: { ...data, job_id: "wrapped" } });

    expect((await resultFor(nats, "raw-1")).event.subject).toBe(data["job_id"]);
    await until(async () => (await resultsOf(nats)).some(({ event }) => event.subject === "wrapped"), {
      what: "the result of the other",
    });
    const [row] = await service.database.sql(
      "select source from agent_executor.events where event_id = 'raw-1'",
    );
    expect(row).toEqual({ source: "/nats/AGENT_EXECUTION" });
    await service.close();
    await nats.close();
  });
});
