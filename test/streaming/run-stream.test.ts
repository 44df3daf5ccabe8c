import { FakeListChatModel } from "@langchain/core/utils/testing";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { hideValue } from "../../src/observability/redaction.ts";
import type { JobTail } from "../../src/streaming/frame-log.ts";
import { LocalLog } from "../../src/streaming/local-log.ts";
import { RunStream } from "../../src/streaming/run-stream.ts";

const LIMITS = { maxLength: 10_000, ttlSeconds: 60 };
const State = Annotation.Root({
  said: Annotation<string[]>({ reducer: (a, b) => [...a, ...b], default: () => [] }),
});

/** Two nodes at once, each with a model of its own. */
function parallel() {
  const talk = (text: string) => async () => {
    const model = new FakeListChatModel({ responses: [text], sleep: 1 });
    return { said: [String((await model.invoke("hi")).content)] };
  };
  return new StateGraph(State)
    .addNode("left", talk("left says this"))
    .addNode("right", talk("right says that"))
    .addEdge(START, "left")
    .addEdge(START, "right")
    .addEdge("left", END)
    .addEdge("right", END)
    .compile();
}

async function framesOf(attempt: number) {
  const log = new LocalLog(LIMITS);
  const stream = new RunStream(log, { jobId: "j", runId: "r", attempt });
  // A plain object with some of a handler's methods, which LangGraph's type denies.
  await parallel().invoke({ said: [] }, { callbacks: [stream.callbacks as never] });
  return (await everything(log.open("j"))).map(({ text }) => JSON.parse(text));
}

async function everything(tail: JobTail) {
  const { frames } = await tail.first(undefined);
  const all = [...frames];
  for (let page = frames; page.length > 0; ) {
    page = (await tail.next(all.at(-1)?.id)).frames;
    all.push(...page);
  }
  tail.close();
  return all;
}

describe("the frames of an attempt", () => {
  it("show no secret that a model says in several tokens, in no frame and no text so far", async () => {
    hideValue("hunter2-hunter2");
    const model = new FakeListChatModel({ responses: ["it is hunter2-hunter2, and hunter2"], sleep: 1 });
    const log = new LocalLog(LIMITS);
    const stream = new RunStream(log, { jobId: "j", runId: "r", attempt: 1 });

    // One character a token.
    for await (const _ of await model.stream("hi", { callbacks: [stream.callbacks as never] }));

    const frames = (await everything(log.open("j"))).map(({ text }) => JSON.parse(text).data);
    expect(frames.map(({ token }) => token).join("")).toBe("it is [redacted], and hunter2");
    for (const { token, cumulative_text = "" } of frames)
      expect(`${token} ${cumulative_text}`).not.toContain("hunter2-");
  });

  it("tell two nodes that talk at the same time apart", async () => {
    const frames = await framesOf(1);

    const textOf = (node: string) =>
      frames
        .filter(({ event_type, data }) => event_type === "on_llm_stream" && data.node === node)
        .map(({ data }) => data.token)
        .join("");
    expect(textOf("left")).toBe("left says this");
    expect(textOf("right")).toBe("right says that");
    const nodes = frames.filter(({ event_type }) => event_type === "on_state_update");
    expect(nodes.map(({ data }) => data.node).sort()).toEqual(["__start__", "left", "right"]);
    expect(nodes.at(-1).data.keys).toEqual(["said"]);
  });

  it("say of a later attempt which nodes begin anew", async () => {
    const frames = await framesOf(2);

    const restarts = frames.filter(({ event_type }) => event_type === "on_restart");
    expect(restarts.map(({ data }) => [data.node, data.attempt]).sort()).toEqual([
      ["left", 2],
      ["right", 2],
    ]);
    expect(frames.findIndex(({ event_type }) => event_type === "on_llm_stream")).toBeGreaterThan(
      frames.findIndex(({ event_type }) => event_type === "on_restart"),
    );
  });
});

describe("streams in one process", () => {
  const frame = (fields: string) => ({ type: "on_llm_stream" as const, runId: "r", attempt: 1, fields });

  it("keep the newest frames of a job, and know what they have forgotten", async () => {
    const log = new LocalLog({ maxLength: 100, ttlSeconds: 60 });
    log.append("j", frame(""));
    const tail = log.open("j");
    const [first] = (await tail.first(undefined)).frames;
    for (let i = 0; i < 500; i++) log.append("j", frame(""));

    const kept = await everything(log.open("j"));

    expect(kept.length).toBeGreaterThanOrEqual(100);
    expect(kept.length).toBeLessThanOrEqual(110);
    expect((await tail.next(first?.id)).missed).toBe(true);
    expect((await tail.next(kept[7]?.id)).frames[0]).toEqual(kept[8]);
    tail.close();
  });

  it("go when nobody has written to them for their time, and when there is too much of all", async () => {
    let now = 1_000_000;
    const log = new LocalLog({ maxLength: 100_000, ttlSeconds: 60 }, () => now);
    log.append("old", frame(""));
    now += 61_000;
    log.append("new", frame(""));
    expect(await everything(log.open("old"))).toEqual([]);

    for (let i = 0; i < 70; i++) log.append(`big-${i}`, frame("x".repeat(1024 * 1024)));

    expect(await everything(log.open("big-0"))).toEqual([]);
    expect(await everything(log.open("big-69"))).toHaveLength(1);
  });
});
