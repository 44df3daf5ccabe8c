import {
  AIMessage,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "@langchain/core/messages";
import { describe, expect, it } from "vitest";
import type { ScriptedResponse } from "../../src/agents/definition.ts";
import { EchoModel } from "../../src/agents/echo.ts";
import { describeModelError } from "../../src/agents/model-errors.ts";
import { ScriptedModel } from "../../src/agents/scripted.ts";
import { agentsWith, errorOf, nodeWith, runOnce, scripted } from "./support.ts";

const human = (text: string) => new HumanMessage(text);
const ai = (text: string) => new AIMessage(text);
const model = (...responses: ScriptedResponse[]) => new ScriptedModel(responses);
const textOf = async (of: ScriptedModel | EchoModel, messages: BaseMessage[]) =>
  (await of.invoke(messages)).text;

describe("a scripted model", () => {
  it("answers in order, counted from the last human message; the last answer repeats", async () => {
    const abc = model("a", "b", "c");
    expect(await textOf(abc, [human("1")])).toBe("a");
    expect(await textOf(abc, [human("1"), ai("a")])).toBe("b");
    expect(await textOf(abc, [human("1"), ai("a"), ai("b"), ai("c"), ai("c")])).toBe("c");
    expect(await textOf(abc, [human("1"), ai("a"), ai("b"), human("2")])).toBe("a");
  });

  it("goes on where it was in another process", async () => {
    const history = [new SystemMessage("s"), human("1"), ai("a"), new ToolMessage("r", "call_1")];
    expect(await textOf(model("a", "b"), history)).toBe("b");
  });

  it.each(["One two  three.", " lead", "trail \n", "\n\n", "a", "", "ein Wort — 日本語 🎉"])(
    "streams %j in words that make up the same text",
    async (text) => {
      const tokens: string[] = [];
      for await (const chunk of await model(text).stream([human("1")])) tokens.push(chunk.text);
      expect(tokens.join("")).toBe(text);
      expect(tokens.filter((token) => token !== "")).toHaveLength(text.match(/\s*\S+|\s+/g)?.length ?? 0);
    },
  );

  it("calls tools under ids that are the same when it is asked again, and else differ", async () => {
    const caller = model({
      content: "Let me.",
      tool_calls: [{ name: "ls" }, { name: "ls", args: { path: "/" } }],
    });
    const [once, again, later] = [[human("1")], [human("1")], [human("1"), ai("x"), human("1")]];

    const [first, second, third] = await Promise.all([once, again, later].map((each) => caller.invoke(each)));
    const streamed = await caller.stream([human("1")]);
    let whole: { tool_calls?: unknown } | undefined;
    for await (const chunk of streamed)
      whole = whole === undefined ? chunk : (whole as typeof chunk).concat(chunk);

    expect(first?.tool_calls).toMatchObject([
      { name: "ls", args: {} },
      { name: "ls", args: { path: "/" } },
    ]);
    expect(second?.tool_calls).toEqual(first?.tool_calls);
    expect(whole?.tool_calls).toMatchObject(
      first?.tool_calls?.map(({ id, name, args }) => ({ id, name, args })) ?? [],
    );
    const ids = [first, third].flatMap((each) => each?.tool_calls?.map(({ id }) => id));
    expect(new Set(ids).size).toBe(4);
  });

  it("counts about four characters a token", async () => {
    const answer = await model("12345").invoke([new SystemMessage("1234"), human("12345")]);
    expect(answer.usage_metadata).toEqual({ input_tokens: 3, output_tokens: 2, total_tokens: 5 });
  });

  it("waits when it is told to, and stops waiting when it is cancelled", async () => {
    const slow = model({ content: "late", delay_ms: 60_000 });
    const started = performance.now();
    await expect(slow.invoke([human("1")], { signal: AbortSignal.timeout(50) })).rejects.toThrow();
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(await textOf(model({ content: "soon", delay_ms: 5 }), [human("1")])).toBe("soon");
  });

  it("fails as a provider with this status would", async () => {
    const agent = await agentsWith().compile(
      nodeWith(scripted({ error: { status: 503, message: "Overloaded." } })),
    );
    const thrown = await runOnce(agent, "Hi").catch((error: unknown) => error);
    expect(describeModelError(thrown)).toMatchObject({
      code: "model_unavailable",
      message: "the model provider answered 503: Overloaded.",
    });
    const refused = await model({ error: { status: 401 } })
      .invoke([human("1")])
      .catch(describeModelError);
    expect(refused).toMatchObject({ code: "model_refused" });
  });

  it("drives the tools of a deep agent, sub-agents included", async () => {
    const plan = { name: "write_todos", args: { todos: [{ content: "look", status: "pending" }] } };
    const write = { name: "write_file", args: { file_path: "/a.txt", content: "hi" } };
    const delegate = { name: "task", args: { description: "Look.", subagent_type: "general-purpose" } };
    const responses = [{ tool_calls: [plan, write] }, { tool_calls: [delegate] }, "All done."];
    // The sub-agent is given the same script and so delegates too, one level down, with no one to ask.
    const agent = await agentsWith().compile(nodeWith(scripted(...responses), { type: "orchestrator" }));

    const result = await runOnce(agent, "Hi");

    expect(result).toMatchObject({ output: "All done.", todos: [{ content: "look" }] });
    expect(result.files).toHaveProperty(["/a.txt"]);
  });
});

describe("an echo model", () => {
  it("answers with the text of the last human message, exactly", async () => {
    const text = "  What?\n\tThat: <é日🎉> ";
    expect(await textOf(new EchoModel(), [human("1"), ai("2"), human(text), ai("3")])).toBe(text);
    expect(await textOf(new EchoModel(), [new SystemMessage("s")])).toBe("");
    const parts = new HumanMessage({
      content: [
        { type: "text", text: "a" },
        { type: "text", text: "b" },
      ],
    });
    expect(await textOf(new EchoModel(), [parts])).toBe("ab");
  });

  it("echoes through a whole run", async () => {
    const agent = await agentsWith().compile(nodeWith({ provider: "echo" }));
    expect(await runOnce(agent, "Hello!")).toEqual({ output: "Hello!", status: "completed" });
  });
});

it.each([scripted("a"), { provider: "echo" }])(
  "offline models are refused where they are not allowed (%o)",
  async (of) => {
    const agents = agentsWith({ offlineModels: false });
    expect(await errorOf(() => agents.compile(nodeWith(of)))).toMatchObject({
      code: "offline_model_refused",
      path: "/nodes/0/model/provider",
    });
  },
);
