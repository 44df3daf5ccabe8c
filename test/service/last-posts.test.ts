import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { executeEvent } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { get, postEvent } from "../support/post.ts";
import { startOn } from "../support/service.ts";
import { type Sink, startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";

describe("a process that stops while it posts a result", () => {
  let sink: Sink;
  let database: TestDatabase;
  beforeEach(async () => {
    sink = await startSink();
    database = await freshDatabase();
  });
  afterEach(async () => {
    await sink.close();
    await database[Symbol.asyncDispose]();
  });

  /** A run has ended, its result is at the sink, and the sink has not answered yet. */
  const stopWhilePosting = async () => {
    const service = await startOn(database, { K_SINK: sink.url, K_SINK_TIMEOUT: "30" });
    const event = executeEvent();
    await postEvent(service.url, event, { headers: { prefer: "respond-async" } });
    await sink.waitFor(() => true);
    expect((await get(`${service.url}/jobs/${event.data["job_id"]}`)).json()).toMatchObject({
      status: "completed",
    });
    const startedAt = performance.now();
    await service.close();
    return performance.now() - startedAt;
  };
  const outbox = async () =>
    await database.sql(
      "select delivered_at is not null as delivered, next_attempt_at <= now() + interval '3 seconds' as soon from agent_executor.outbox",
    );

  it("waits for a slow answer, and marks it", async () => {
    sink.behave({ delayMs: 600 });

    await stopWhilePosting();

    expect(await outbox()).toMatchObject([{ delivered: true }]);
    expect(sink.received).toHaveLength(1);
  });

  it("does not wait for one that never comes: the next process sends the result soon", async () => {
    sink.behave("hang");

    expect(await stopWhilePosting()).toBeLessThan(8000);

    expect(await outbox()).toEqual([{ delivered: false, soon: true }]);
    sink.behave("ok");
    const next = await startOn(database, { K_SINK: sink.url });
    await until(() => sink.accepted().length === 1, { what: "the result", timeoutMs: 10_000 });
    await next.close();
  });
});
