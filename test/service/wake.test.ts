import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { acceptRun } from "../../src/runs/repository.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { serverPort } from "../support/ports.ts";
import { get, postEvent, send } from "../support/post.ts";
import { anEvent } from "../support/runs.ts";
import { startOn, startTestService, type TestService } from "../support/service.ts";
import { type Sink, startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";

const ping = { id: "p", source: "tests", type: "dev.knative.sources.ping", data: {} };

describe("a ping", () => {
  it("is answered 200 with nothing when nothing is due", async () => {
    const service: TestService = await startTestService();
    const startedAt = performance.now();

    const reply = await postEvent(service.url, ping);

    expect([reply.status, reply.text]).toEqual([200, ""]);
    expect(performance.now() - startedAt).toBeLessThan(1000);
    await service.close();
  });

  it("holds its request until the runs and results that nobody held are done", async () => {
    await using database = await freshDatabase();
    const sink = await startSink();
    await leaveWork(database, 5);
    sink.behave({ status: 202, delayMs: 400 }); // longer than it takes to see that nothing else is due
    const service = await startOn(database, { K_SINK: sink.url });

    const reply = await postEvent(service.url, ping);

    expect(reply.status).toBe(200);
    expect(sink.accepted()).toHaveLength(5);
    const left = await database.sql("select 1 from agent_executor.runs where status <> 'completed'");
    expect(left).toEqual([]);
    await service.close();
    await sink.close();
  });
});

/** As a service leaves it that is scaled to zero: queued runs, and one whose worker went silent. */
async function leaveWork(database: TestDatabase, count: number): Promise<void> {
  const db = serverPort(database, 2);
  for (let i = 0; i < count; i++) {
    const event = anEvent({
      request: { input: "go" },
      definitionHash: "left",
      definition: JSON.stringify(scripted({ content: "done", delay_ms: 50 })),
      mayStart: i === 0,
    });
    await acceptRun(db, event, { worker: "gone", leaseSeconds: 0, maxQueued: 100, maxQueuedOfJob: 100 });
  }
  await db.close();
}

describe("an operator at the outbox", () => {
  let sink: Sink;
  let service: TestService;
  beforeAll(async () => {
    sink = await startSink();
    service = await startTestService({ K_SINK: sink.url });
  });
  afterAll(async () => {
    await service.close();
    await sink.close();
  });
  const cli = async (...args: string[]) => {
    const { runCommandLine } = await import("../../src/cli/run.ts");
    const lines: string[] = [];
    const print = (line: string) => void lines.push(line);
    const openDatabase = async () => serverPort(service.database, 2);
    const code = await runCommandLine(args, { openDatabase, checks: async () => [], print, complain: print });
    return { code, lines };
  };

  it("lists what was not taken, and sends a parked event again with the same bytes", async () => {
    sink.behave({ status: 422 });
    await postEvent(service.url, executeEvent());
    const [refused] = sink.received;
    sink.behave("ok");

    const listed = await cli("outbox", "list");
    expect(listed.code).toBe(0);
    const row = JSON.parse(listed.lines[0] ?? "{}");
    expect(row).toMatchObject({ state: "parked", last_error: "status 422", target: "sink" });
    const metrics = (await get(`${service.url}/metrics`)).text;
    expect(metrics).toContain("agent_executor_outbox_parked 1\n");
    expect(metrics).toContain("agent_executor_outbox_pending 0\n");
    const again = await cli("outbox", "redrive", row.event_id);
    expect(again).toEqual({ code: 0, lines: ["1 event will be sent again"] });

    await until(() => sink.accepted().length > 0, { what: "the sink to take it" });
    expect(sink.accepted().map((event) => event.id)).toEqual([row.event_id]);
    expect(sink.received.at(-1)?.body).toEqual(refused?.body);
  });

  it("is told how to use it", async () => {
    expect((await cli("outbox")).code).toBe(2);
    expect((await cli("outbox", "redrive")).code).toBe(2);
    expect((await cli("outbox", "redrive", "nonsense")).code).toBe(2);
    expect((await cli("nonsense")).code).toBe(2);
    expect((await cli("outbox", "redrive", randomUUID())).lines).toEqual(["0 events will be sent again"]);
    expect((await cli("help", "outbox")).lines.join("\n")).toContain("outbox list");
  });
});

describe("a job that is full", () => {
  it("refuses more with 429 and Retry-After, and keeps nothing of them", async () => {
    const service = await startTestService({ MAX_QUEUED_RUNS_PER_JOB: "2" });
    const job_id = randomUUID();
    const slow = scripted({ content: "x", delay_ms: 400 });
    const post = () =>
      postEvent(service.url, executeEvent({ job_id, agent_definition: slow }), {
        headers: { prefer: "respond-async" },
      });

    const replies = [await post(), await post(), await post(), await post()];

    expect(replies.map((reply) => reply.status)).toEqual([202, 202, 202, 429]);
    expect(Number(replies[3]?.headers["retry-after"])).toBeGreaterThan(0);
    await send("POST", `${service.url}/jobs/${job_id}/cancel`, undefined);
    await service.close();
  });
});
