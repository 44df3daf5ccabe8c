import { randomUUID } from "node:crypto";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent } from "../support/agents.ts";
import { callingAgent, resumeEvent } from "../support/approvals.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { jobWhen } from "../support/jobs.ts";
import { type Collector, startCollector } from "../support/otlp.ts";
import { postEvent } from "../support/post.ts";
import { spawnService } from "../support/process.ts";
import { type Sink, startSink } from "../support/sink.ts";
import { traceTree } from "../support/trace-tree.ts";
import { until } from "../support/wait.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SECRET = "sesame-5125";

/** The built service with a collector, killed for real. */
describe("the trace of a job", { timeout: 60_000 }, () => {
  let database: TestDatabase;
  let tools: ToolServer;
  let collector: Collector;
  let sink: Sink;
  beforeEach(async () => {
    database = await freshDatabase({ mayLeak: true });
    tools = await startToolServer();
    collector = await startCollector();
    sink = await startSink();
  });
  afterEach(async () => {
    await sink.close();
    await collector.close();
    await tools.close();
    await database[Symbol.asyncDispose]();
  });

  const start = async () => {
    const service = await spawnService({
      ...{ DATABASE_URL: database.url, EGRESS_ALLOW: "127.0.0.0/8", RUN_LEASE_SECONDS: "3" },
      ...{ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: "100", K_SINK: sink.url },
    });
    await service.waitForHealth();
    return service;
  };
  const named = (start: string) =>
    collector.spans.filter((span) => span.traceId === TRACE && span.name.startsWith(start));

  it("is one from the sender over kill -9, another process and an approval to the sink", async () => {
    const jobId = randomUUID();
    const agent = callingAgent(
      tools.url,
      [[{ name: "look", args: { amount: 1 } }], [{ name: "pay", args: { amount: 7, to: SECRET } }]],
      { approval: { when: "args.amount > 5" } },
    );
    const event = { ...executeEvent({ job_id: jobId, agent_definition: agent, input: SECRET }) };
    const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`;
    const first = await start();
    tools.answerAfter(60_000);

    const headers = { prefer: "respond-async", traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` };
    await postEvent(first.url, { ...event, traceparent }, { headers });
    await until(() => tools.calls.length === 1, { what: "the first call" });
    await until(() => named("chat").length === 1, { what: "the first spans to be sent" });
    await first.kill("SIGKILL");
    tools.answerAfter(0);
    const second = await start();
    const job = await jobWhen(second.url, jobId, ({ status }) => status === "waiting");
    const { interrupt_id } = job.interrupts.at(-1) ?? { interrupt_id: "" };
    await second.kill("SIGTERM");
    const third = await start();
    await postEvent(third.url, resumeEvent(jobId, { decisions: [{ interrupt_id, decision: "approve" }] }), {
      headers: { prefer: "respond-async" },
    });
    await jobWhen(third.url, jobId, ({ status }) => status === "completed");
    await until(() => sink.received.length === 2, { what: "both results at the sink" });
    await third.kill("SIGTERM");

    const tree = traceTree(collector.spans, TRACE);
    process.stdout.write(`${tree}\n`);
    const [accepted] = named("process ");
    expect(accepted).toMatchObject({ parentId: "00f067aa0ba902b7", kind: "consumer" });
    expect(accepted?.links).toEqual([{ traceId: "a".repeat(32), spanId: "b".repeat(16) }]);
    const attempts = named("invoke_agent");
    expect(attempts.map(({ attributes }) => attributes["agent_executor.attempt"])).toEqual([2, 3]);
    for (const attempt of attempts) expect(attempt.parentId).toBe(accepted?.spanId);
    expect(attempts[0]?.attributes["agent_executor.taken_over"]).toBe(true);
    expect(named("approval")).toMatchObject([{ parentId: accepted?.spanId }]);
    expect(named("send sink").map(({ kind }) => kind)).toEqual(["producer", "producer"]);
    // What left the house carries the trace on: to the tool, and to whoever gets the result.
    const posts = named("POST").map(({ spanId }) => spanId);
    expect(tools.calls.slice(1).map(({ traceparent: sent }) => sent)).toEqual(
      posts.map((spanId) => `00-${TRACE}-${spanId}-01`),
    );
    const last = sink.received.at(-1)?.event?.traceparent;
    expect(last).toBe(`00-${TRACE}-${named("send sink").at(-1)?.parentId}-01`);
    expect(JSON.stringify(collector.spans)).not.toContain(SECRET);
  });
});
