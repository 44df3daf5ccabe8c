import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseHttpEvent } from "../../src/events/parse.ts";
import { echo, executeEvent, scripted } from "../support/agents.ts";
import { get, postEvent, postJson, type Reply, send } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";

describe("an event and its outcome", () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService();
  });
  afterAll(() => service.close());

  it.each(["binary", "structured"] as const)("answers a %s event with the completed event", async (mode) => {
    const event = executeEvent({ agent_definition: echo(), input: "say this" });

    const reply = await postEvent(service.url, event, { mode });

    expect(reply.status).toBe(200);
    expect(reply.headers["content-type"]).toBe("application/json");
    const result = eventOf(reply);
    expect(result).toMatchObject({
      specversion: "1.0",
      type: "dev.my-platform.agent.completed",
      source: "agent-executor-service",
      subject: event.data["job_id"],
    });
    expect(result.extensions.get("causationid")).toBe(event.id);
    expect(reply.json()).toMatchObject({
      job_id: event.data["job_id"],
      result: { output: "say this", status: "completed" },
      usage: { model_calls: 1, tool_calls: 0, steps: 2 },
    });
  });

  it("carries on the trace of the event, else of the request, else of trace_id", async () => {
    const inEvent = "00-11111111111111111111111111111111-1111111111111111-01";
    const inHeader = "00-22222222222222222222222222222222-2222222222222222-01";
    const traceId = "33333333-3333-3333-3333-333333333333";
    const headers = { traceparent: inHeader };

    const first = await postEvent(service.url, { ...executeEvent(), traceparent: inEvent }, { headers });
    const second = await postEvent(service.url, executeEvent({ trace_id: traceId }), { headers });
    const third = await postEvent(service.url, executeEvent({ trace_id: traceId }));

    const traces = [first, second, third].map((reply) =>
      String(reply.headers["ce-traceparent"]).slice(0, 35),
    );
    expect(traces).toEqual([1, 2, 3].map((digit) => `00-${String(digit).repeat(32)}`));
    expect(first.headers["ce-traceparent"]).not.toBe(inEvent);
  });

  it("ends a bad definition in a failed event with code and path, not in a status", async () => {
    const agent_definition = {
      nodes: [{ type: "agent", name: "main", model: { provider: "opnai", model: "x" } }],
    };

    const reply = await postEvent(service.url, executeEvent({ agent_definition }));

    expect(reply.status).toBe(200);
    expect(reply.headers["ce-type"]).toBe("dev.my-platform.agent.failed");
    expect(reply.json()).toMatchObject({
      error: { code: "unknown_provider", path: "/nodes/0/model/provider", retryable: false },
    });
    expect(JSON.stringify(reply.json())).toContain("did you mean");
  });

  it("names the missing variable and the offline way when there is no key", async () => {
    const model = { provider: "openai", model_name: "gpt-4o" };
    const agent_definition = { nodes: [{ type: "orchestrator", name: "main", model, tools: [] }], edges: [] };

    const reply = await postEvent(service.url, executeEvent({ agent_definition }));

    expect(reply.json()).toMatchObject({ error: { code: "missing_credentials" } });
    const { message } = (reply.json() as { error: { message: string } }).error;
    expect(message).toContain("OPENAI_API_KEY");
    expect(message).toContain("scripted");
  });

  it("fails a run whose input and input_payload differ, and takes either or two that agree", async () => {
    const agent_definition = echo();
    const differ = executeEvent({ agent_definition, input: "a", input_payload: "b" });
    const agree = executeEvent({ agent_definition, input: "a", input_payload: "a" });
    const older = executeEvent({ agent_definition, input_payload: "older" });
    delete older.data["input"];

    const replies = await Promise.all([differ, agree, older].map((event) => postEvent(service.url, event)));

    expect(replies[0]?.json()).toMatchObject({ error: { code: "invalid_input", path: "/input" } });
    expect(replies[1]?.json()).toMatchObject({ result: { output: "a" } });
    expect(replies[2]?.json()).toMatchObject({ result: { output: "older" } });
  });

  it("fails a run with unknown_agent when the event names an agent", async () => {
    const event = executeEvent({ agent: "support@3" });
    delete event.data["agent_definition"];

    expect((await postEvent(service.url, event)).json()).toMatchObject({ error: { code: "unknown_agent" } });
  });

  it("shows the job with its runs, result, usage and definition", async () => {
    const event = executeEvent({ agent_definition: { ...scripted("shown"), name: "shower" } });
    await postEvent(service.url, event);

    const reply = await get(`${service.url}/jobs/${event.data["job_id"]}`);

    expect(reply.status).toBe(200);
    expect(reply.json()).toMatchObject({
      job_id: event.data["job_id"],
      status: "completed",
      result: { output: "shown" },
      error: null,
      interrupts: [],
      usage: { model_calls: 1 },
      definition: { name: "shower", hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      runs: [{ seq: 1, status: "completed", attempt: 1, source: "tests", event_id: event.id }],
    });
  });

  it("runs the events of one job as turns of one conversation, the definition left out after the first", async () => {
    const job_id = randomUUID();
    const responses = ["first answer", "never said"];
    const first = executeEvent({ job_id, agent_definition: scripted(...responses), input: "one" });
    const second = executeEvent({ job_id, input: "two" });
    delete second.data["agent_definition"];
    await postEvent(service.url, first);

    const reply = await postEvent(service.url, second);

    // Counted since the turn's input: each turn begins the script anew.
    expect(reply.json()).toMatchObject({ result: { output: "first answer" } });
    const rows = await service.database.sql(
      `select checkpoint -> 'channel_versions' as v from agent_executor.checkpoints
        where thread_id = $1 order by checkpoint_id`,
      [job_id],
    );
    expect(rows.length).toBeGreaterThanOrEqual(6);
    const job = (await get(`${service.url}/jobs/${job_id}`)).json();
    expect(job).toMatchObject({ runs: [{ seq: 1 }, { seq: 2 }] });
  });

  it("leaves nothing of a failed turn on the thread", async () => {
    const job_id = randomUUID();
    const ok = scripted("fine");
    const broken = scripted({ error: { status: 400, message: "no" } });
    await postEvent(service.url, executeEvent({ job_id, agent_definition: ok, input: "one" }));
    const failed = await postEvent(
      service.url,
      executeEvent({ job_id, agent_definition: broken, input: "two" }),
    );

    const third = await postEvent(
      service.url,
      executeEvent({ job_id, agent_definition: ok, input: "three" }),
    );

    expect(failed.json()).toMatchObject({ error: { code: "model_refused" } });
    expect(third.json()).toMatchObject({ result: { output: "fine" } });
    const said = await messagesOf(service, job_id);
    expect(said).toEqual(["one", "fine", "three", "fine"]);
  });

  it("gives one outcome when the first turn of a job fails, and starts the next one clean", async () => {
    const job_id = randomUUID();
    const broken = scripted({ error: { status: 400, message: "no" } });
    await postEvent(service.url, executeEvent({ job_id, agent_definition: broken, input: "lost" }));

    await postEvent(service.url, executeEvent({ job_id, agent_definition: scripted("fine"), input: "kept" }));

    expect(await messagesOf(service, job_id)).toEqual(["kept", "fine"]);
  });

  it("takes a large event whose texts hold NUL, quotes and half a surrogate pair", async () => {
    const input = `\u0000 "quoted" \ud800 ${"x".repeat(600_000)}`;

    const reply = await postEvent(
      service.url,
      executeEvent({ agent_definition: echo(), input, limits: { tokens: 1e6 } }),
    );

    expect([reply.status, reply.headers["ce-type"]]).toEqual([200, "dev.my-platform.agent.completed"]);
    const { output } = (reply.json() as { result: { output: string } }).result;
    expect(output.length).toBe(input.length);
  });

  it("ends a run at its limits with limit_exceeded", async () => {
    const slow = scripted({ content: "late", delay_ms: 5000 });
    const talkative = scripted("word ".repeat(400));

    const bySeconds = await postEvent(
      service.url,
      executeEvent({ agent_definition: slow, limits: { seconds: 0.2 } }),
    );
    const byTokens = await postEvent(
      service.url,
      executeEvent({ agent_definition: { ...talkative, limits: { tokens: 10 } } }),
    );
    const bySteps = await postEvent(service.url, executeEvent({ limits: { steps: 1 } }));

    for (const [reply, name] of [
      [bySeconds, "seconds"],
      [byTokens, "tokens"],
      [bySteps, "steps"],
    ] as const) {
      expect(reply.json()).toMatchObject({ error: { code: "limit_exceeded", path: `/limits/${name}` } });
    }
  });

  it("runs jobs side by side and the runs of one job one after the other, in order of arrival", async () => {
    const job_id = randomUUID();
    const slow = scripted({ content: "one", delay_ms: 150 });
    const events = [1, 2, 3].map((n) => executeEvent({ job_id, agent_definition: slow, input: String(n) }));

    const replies = await inOrder(events.map((event) => () => postEvent(service.url, event)));

    expect(replies.map((reply) => reply.status)).toEqual([200, 200, 200]);
    expect(await messagesOf(service, job_id)).toEqual(["1", "one", "2", "one", "3", "one"]);
  });

  it("answers our own result types with 204 and runs nothing: no loop", async () => {
    const event = { ...executeEvent(), type: "dev.my-platform.agent.completed" };

    expect((await postEvent(service.url, event)).status).toBe(204);
  });

  it("takes a batch whole and answers 202, or refuses it whole and stores nothing", async () => {
    const good = [executeEvent(), executeEvent()].map((event) => ({ specversion: "1.0", ...event }));
    const bad = [
      { specversion: "1.0", ...executeEvent() },
      { specversion: "1.0", id: "no type" },
    ];
    const headers = { "content-type": "application/cloudevents-batch+json" };
    const before = await service.database.sql("select count(*) from agent_executor.runs");

    const refused = await send("POST", service.url, JSON.stringify(bad), { headers });
    expect(refused.status).toBe(400);
    expect(await service.database.sql("select count(*) from agent_executor.runs")).toEqual(before);

    const taken = await send("POST", service.url, JSON.stringify(good), { headers });
    expect([taken.status, taken.text]).toEqual([202, ""]);
    for (const { data } of good) await settled(service, String(data["job_id"]));
  });

  it("lists jobs newest first, page by page, and by status", async () => {
    const first = (await get(`${service.url}/jobs?limit=2`)).json() as Page;
    const second = (await get(`${service.url}/jobs?limit=2&after=${first.next}`)).json() as Page;
    const failed = (await get(`${service.url}/jobs?status=failed`)).json() as Page;

    expect(first.jobs).toHaveLength(2);
    expect(second.jobs).toHaveLength(2);
    const times = [...first.jobs, ...second.jobs].map((job) => Date.parse(job.accepted_at));
    expect(times).toEqual([...times].sort((a, b) => b - a));
    expect(failed.jobs.length).toBeGreaterThan(0);
    expect(failed.jobs.every((job) => job.status === "failed")).toBe(true);
    for (const query of [
      "limit=0",
      "limit=x",
      "status=nope",
      "after=%00",
      "after=W10",
      "page=2",
      "limit=1&limit=2",
    ]) {
      expect((await get(`${service.url}/jobs?${query}`)).status, query).toBe(400);
    }
  });

  it("refuses a plain JSON post with a text that shows how an event looks", async () => {
    const reply = await postJson(service.url, { job_id: "x", agent_definition: {} });

    expect(reply.status).toBe(400);
    expect(reply.text).toMatch(/ce-|cloudevents/);
  });
});

type Page = { jobs: { job_id: string; status: string; accepted_at: string }[]; next: string | null };

function eventOf(reply: Reply) {
  const raw = Object.entries(reply.headers).flatMap(([name, value]) => [name, String(value)]);
  const parsed = parseHttpEvent(raw, Buffer.from(reply.text));
  if (parsed.mode === "batch") throw new Error("a batch");
  return parsed.event;
}

/** Starts each once the one before has been taken, and does not wait for its answer. */
async function inOrder(calls: (() => Promise<Reply>)[]): Promise<Reply[]> {
  const replies: Promise<Reply>[] = [];
  for (const call of calls) {
    replies.push(call());
    await new Promise((done) => setTimeout(done, 40));
  }
  return await Promise.all(replies);
}

async function settled(service: TestService, jobId: string): Promise<void> {
  const { until } = await import("../support/wait.ts");
  const isDone = async () => {
    const reply = await get(`${service.url}/jobs/${jobId}`);
    return reply.status === 200 && (reply.json() as { status: string }).status === "completed";
  };
  await until(isDone, { what: `job ${jobId} to be completed` });
}

/** What was said on the job's thread, as its last completed turn left it. */
async function messagesOf(service: TestService, jobId: string): Promise<string[]> {
  const [row] = await service.database.sql(
    `select convert_from(b.blob, 'UTF8') as messages
       from agent_executor.jobs j
       join agent_executor.checkpoints c on c.thread_id = j.job_id and c.checkpoint_id = j.head_checkpoint_id
       join agent_executor.checkpoint_blobs b on b.thread_id = c.thread_id and b.checkpoint_ns = ''
        and b.channel = 'messages' and b.version = c.checkpoint -> 'channel_versions' ->> 'messages'
      where j.job_id = $1`,
    [jobId],
  );
  const messages = JSON.parse(String(row?.["messages"])) as { kwargs: { content: string } }[];
  return messages.map((message) => message.kwargs.content);
}
