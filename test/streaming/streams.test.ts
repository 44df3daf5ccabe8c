import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Service } from "../../src/service.ts";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { callingAgent, type Interrupt, resumeEvent } from "../support/approvals.ts";
import { serviceUrl } from "../support/environment.ts";
import { get, postEvent, postJson } from "../support/post.ts";
import { startOn, startTestService, type TestService } from "../support/service.ts";
import { readStream, type SseEvent } from "../support/sse.ts";

const WORDS = "one two three four five six seven eight nine ten";

describe.each(["in one process", "in Redis"])("the stream of a job, %s", (where) => {
  const env: Record<string, string> = { EGRESS_ALLOW: "127.0.0.0/8" };
  let service: TestService;
  /** Where readers read: another process, where streams go from one to the other. */
  let reading: Service;
  let tools: ToolServer;
  beforeAll(async () => {
    if (where === "in Redis") env["REDIS_URL"] = serviceUrl("redis");
    service = await startTestService(env);
    reading = where === "in Redis" ? await startOn(service.database, env) : service;
    tools = await startToolServer();
  });
  afterAll(async () => {
    await tools.close();
    if (reading !== service) await reading.close();
    await service.close();
  });

  const streamOf = (jobId: unknown) => `${reading.url}/jobs/${String(jobId)}/events`;
  const whole = async (jobId: unknown, lastEventId?: string): Promise<SseEvent[]> => {
    const { events, ended } = readStream(streamOf(jobId), { lastEventId });
    await ended;
    return events;
  };
  const typesOf = (events: SseEvent[]) => events.map(({ event }) => event);
  const run = async (data: Record<string, unknown>) => {
    const event = executeEvent(data);
    const reply = await postEvent(service.url, event);
    expect(reply.status).toBe(200);
    return { jobId: String(event.data["job_id"]), reply };
  };

  it("tells of tokens, tool calls and state in their order, and ends once with the result", async () => {
    const agent = callingAgent(tools.url, [[{ name: "pay", args: { amount: 7 } }]], {});
    const { jobId } = await run({ agent_definition: agent });

    const events = await whole(jobId);

    expect(typesOf(events)).toEqual([
      ...["on_state_update", "on_state_update", "on_tool_start", "on_tool_end", "on_state_update"],
      ...["on_llm_stream", "on_state_update", "end"],
    ]);
    const data = (type: string) => events.find(({ event }) => event === type)?.data.data;
    expect(data("on_tool_start")).toMatchObject({ tool_name: "pay", tool_input: { amount: 7 } });
    expect(data("on_tool_end")).toMatchObject({ tool_name: "pay", tool_output: '{"ok":true,"nth":1}' });
    expect(data("on_tool_end")?.["call_id"]).toBe(data("on_tool_start")?.["call_id"]);
    expect(data("on_llm_stream")).toMatchObject({ token: "done", node: "model_request" });
    expect(data("end")).toMatchObject({ status: "completed", final_result: { output: "done" } });
    for (const { id, event, data: frame } of events) {
      expect(frame.event_type).toBe(event);
      expect(frame.data).toMatchObject({ stream_id: id, run_id: expect.any(String), attempt: 1 });
    }
  });

  it("says of each of two nodes side by side what it says, and where a model of its own stands", async () => {
    const says = (name: string) => ({
      ...{ id: name, type: "agent", name, writes: [`${name}_said`] },
      model: { provider: "scripted", model: "x", responses: [`${name} speaks`] },
    });
    const agent_definition = {
      state_schema: { left_said: { type: "str" }, right_said: { type: "str" } },
      nodes: [says("left"), says("right")],
      edges: ["left", "right"].flatMap((name) => [
        { from: "START", to: name },
        { from: name, to: "END" },
      ]),
    };
    const { jobId } = await run({ agent_definition });

    const events = await whole(jobId);

    for (const name of ["left", "right"]) {
      const own = events.filter(
        ({ event, data }) => event === "on_llm_stream" && String(data.data["within"]) === name,
      );
      expect(own.map(({ data }) => data.data["token"]).join("")).toBe(`${name} speaks`);
      expect(new Set(own.map(({ data }) => data.data["node"]))).toEqual(new Set(["model_request"]));
    }
    expect(events.map(({ event }) => event).filter((type) => type === "end")).toHaveLength(1);
  });

  it("starts the text so far anew with each message, and tells it at most every 100 ms", async () => {
    const turns = [{ content: WORDS, tool_calls: [{ name: "pay", args: { amount: 1 } }] }, WORDS];
    const agent = callingAgent(tools.url, [[{ name: "pay", args: { amount: 1 } }]], {});
    const model = { provider: "scripted", model: "x", responses: turns };
    const nodes = [{ type: "agent", name: "main", model, tools: ["pay"] }];
    const { jobId } = await run({ agent_definition: { ...agent, nodes } });

    const tokens = (await whole(jobId)).filter(({ event }) => event === "on_llm_stream");

    const messages = new Set(tokens.map(({ data }) => data.data["message_id"]));
    expect(messages.size).toBe(2);
    for (const message of messages) {
      const own = tokens.map(({ data }) => data.data).filter((each) => each["message_id"] === message);
      expect(own.map(({ token }) => token).join("")).toBe(WORDS);
      expect(own[0]).toMatchObject({ token: "one", cumulative_text: "one" });
      expect(own.filter((each) => "cumulative_text" in each).length).toBeLessThan(own.length);
    }
  });

  it("goes on over the runs of a job that are queued, and stays open while a person is asked", async () => {
    const event = executeEvent({
      agent_definition: callingAgent(tools.url, [[{ name: "pay", args: { amount: 7 } }]]),
    });
    const jobId = String(event.data["job_id"]);
    const asked = await postEvent(service.url, event);
    const { interrupts } = asked.json() as { interrupts: Interrupt[] };
    const next = await postEvent(
      service.url,
      executeEvent({ job_id: jobId, agent_definition: scripted("b") }),
    );
    expect(next.status).toBe(202);
    const seen: string[] = [];
    const decided: Promise<unknown>[] = [];
    const onEvent = ({ event: type }: SseEvent) => {
      seen.push(type);
      if (type !== "on_interrupt") return;
      const decisions = [{ interrupt_id: interrupts[0]?.interrupt_id, decision: "approve" }];
      decided.push(postEvent(service.url, resumeEvent(jobId, { decisions })));
    };

    const { events, ended } = readStream(streamOf(jobId), { onEvent });
    await ended;
    await Promise.all(decided);

    const shown = events.find(({ event: type }) => type === "on_interrupt")?.data.data;
    expect(shown?.["interrupts"]).toEqual(interrupts);
    expect(seen.filter((type) => type === "on_interrupt")).toHaveLength(1);
    const restart = events.find(({ event: type }) => type === "on_restart")?.data.data;
    expect(restart).toMatchObject({ node: "tools", attempt: 2 });
    const ends = events.filter(({ event: type }) => type === "end").map(({ data }) => data.data);
    expect(ends).toMatchObject([
      { status: "completed", final_result: { output: "done" } },
      { status: "completed", final_result: { output: "b" } },
    ]);
    expect(new Set(events.map(({ data }) => data.data.run_id)).size).toBe(2);
    expect(events.at(-1)?.event).toBe("end");
  });

  it("says what went wrong before the end of a run that failed or was cancelled", async () => {
    const failing = scripted({ error: { status: 400, message: "no" } });
    const failed = await run({ agent_definition: failing });
    const slow = executeEvent({ agent_definition: scripted({ content: "late", delay_ms: 60_000 }) });
    await postEvent(service.url, slow, { headers: { prefer: "respond-async" } });
    await postJson(`${service.url}/jobs/${String(slow.data["job_id"])}/cancel`, { reason: "enough" });

    const [error, end] = (await whole(failed.jobId)).slice(-2).map(({ data }) => data);
    expect(error).toMatchObject({ event_type: "error", data: { code: "model_refused" } });
    expect(end).toMatchObject({ event_type: "end", data: { status: "failed" } });
    expect((await whole(slow.data["job_id"])).at(-1)?.data.data).toMatchObject({
      status: "cancelled",
      reason: "enough",
    });
  });

  it("is the same byte for byte however often it is cut and taken up again", {
    timeout: 60_000,
  }, async () => {
    // Several runs, so that some of the reading is of what was and some of what comes.
    const jobId = randomUUID();
    for (let i = 0; i < 6; i++) {
      const agent_definition = scripted({ content: `${WORDS} `.repeat(12), delay_ms: 150 });
      const headers = { prefer: "respond-async" };
      await postEvent(service.url, executeEvent({ job_id: jobId, agent_definition }), { headers });
    }
    const uncut = whole(jobId);

    let pieces = "";
    let lastEventId: string | undefined;
    for (let cuts = 0; ; cuts++) {
      // At most 100 cuts, each after a few events; the last reader stays to the end.
      const few = cuts < 100 ? 1 + Math.floor(Math.random() * 6) : Number.POSITIVE_INFINITY;
      const reader = readStream(streamOf(jobId), {
        lastEventId,
        onEvent: () => void (reader.events.length >= few && reader.cut()),
      });
      await reader.ended;
      pieces += reader.events.map(({ raw }) => raw).join("");
      lastEventId = reader.events.at(-1)?.id ?? lastEventId;
      if (reader.events.length < few) break;
    }

    expect(pieces.length).toBeGreaterThan(10_000);
    expect(pieces === (await uncut).map(({ raw }) => raw).join("")).toBe(true);
  });

  it("makes a reader who has it all stay away: 204", async () => {
    const { jobId } = await run({});
    const events = await whole(jobId);

    const again = await get(streamOf(jobId), { headers: { "last-event-id": events.at(-1)?.id } });

    expect([again.status, again.text]).toEqual([204, ""]);
  });

  it("begins with one gap and the present state where the place is not known any more", async () => {
    const { jobId } = await run({});
    const uncut = await whole(jobId);

    for (const place of ["1-0", "nonsense", "99999999999999-0"]) {
      const [gap, ...rest] = await whole(jobId, place);

      expect(gap?.data).toMatchObject({
        event_type: "gap",
        data: { job: { job_id: jobId, status: "completed" } },
      });
      expect(gap?.id).toBeUndefined();
      expect(rest.map(({ raw }) => raw)).toEqual(uncut.map(({ raw }) => raw));
    }
  });

  it("is 404 for a job that there is not", async () => {
    const reply = await get(streamOf(randomUUID()));

    expect([reply.status, reply.json()]).toMatchObject([404, { error: { code: "unknown_job" } }]);
  });
});
