import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { executeEvent, scripted } from "../support/agents.ts";
import { NatsServer } from "../support/nats-server.ts";
import { get, postEvent } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";
import { type Result, resultsOf, structured } from "./messages.ts";

const slowly = (ms: number) => scripted({ content: "slow answer", delay_ms: ms });

describe("jobs by NATS", () => {
  let nats: NatsServer;
  let service: TestService;
  beforeAll(async () => {
    nats = await NatsServer.start();
    service = await startTestService({ NATS_URL: nats.url, NATS_ACK_WAIT_SECONDS: "3" });
    await until(async () => (await nats.manager()).consumers.info("AGENT_EXECUTION", "agent-executor-workers"), {
      what: "the consumer",
    });
  });
  afterAll(async () => {
    await service.close();
    await nats.close();
  });
  const resultFor = (eventId: string, timeoutMs = 10_000): Promise<Result> =>
    until(async () => (await resultsOf(nats)).find(({ cause }) => cause === eventId), {
      what: `the result of ${eventId}`,
      timeoutMs,
    });
  const runsOf = async (id: string) =>
    await service.database.sql("select run_id, status from agent_executor.runs where event_id = $1", [id]);
  const isEmpty = async () => {
    const { state } = await (await nats.manager()).streams.info("AGENT_EXECUTION");
    return state.messages === 0;
  };
  const allAcknowledged = () => until(isEmpty, { what: "all messages to be acknowledged" });

  it("run, and their result stands in AGENT_RESULTS under the event's id", async () => {
    const event = executeEvent();

    await nats.send("agent.execute.one", structured(event));
    const result = await resultFor(event.id);

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
});
