import { describe, expect, it } from "vitest";
import { agentsWith, errorOf, runOnce, scripted } from "./support.ts";

const echo = { provider: "echo" };

describe("a pipeline", () => {
  it("runs its nodes in the order of its edges, each seeing what the one before said", async () => {
    const agent = await agentsWith().compile({
      nodes: [
        { name: "writer", model: scripted("A draft.") },
        { name: "reader", model: echo },
      ],
      edges: [{ from: "writer", to: "reader" }],
    });

    expect(await runOnce(agent, "Write!")).toEqual({ output: "writer: A draft.", status: "completed" });
  });

  it("gives back the channels that its nodes write", async () => {
    const agent = await agentsWith().compile({
      state_schema: { topic: { type: "str" }, draft: { type: "str" }, notes: { reducer: "append" } },
      nodes: [
        { name: "writer", model: echo, reads: ["topic"], writes: ["draft", "notes"].slice(0, 1) },
        { name: "left", model: scripted("l"), writes: ["notes"] },
        { name: "right", model: scripted("r"), writes: ["notes"] },
        { name: "end", model: echo, reads: ["notes"], writes: ["messages"] },
      ],
      edges: [
        { from: "writer", to: "left" },
        { from: "writer", to: "right" },
        { from: "left", to: "end" },
        { from: "right", to: "end" },
      ],
    });
    const { output, state } = await runOnce(agent, {
      topic: "bees",
      messages: [{ role: "user", content: "x" }],
    });
    expect(state).toEqual({ topic: "bees", draft: "topic:\nbees", notes: ["l", "r"] });
    expect(output).toBe('notes:\n[\n  "l",\n  "r"\n]');
  });

  it("loops until its condition holds, and stops where none does", async () => {
    const body = (last: string) => ({
      state_schema: { tries: { reducer: "append" }, verdict: { type: "str" } },
      nodes: [
        { name: "writer", model: scripted("try"), writes: ["tries"] },
        { name: "critic", model: echo, reads: ["tries"], writes: ["verdict"] },
      ],
      edges: [
        { from: "START", to: "writer" },
        { from: "writer", to: "critic" },
        { from: "critic", to: "writer", when: "size(state.tries) < 3" },
        { from: "critic", to: "END", when: last },
      ],
    });
    const agent = await agentsWith().compile(body("size(state.tries) >= 3"));
    expect((await runOnce(agent, "go")).state?.["tries"]).toEqual(["try", "try", "try"]);
    const stuck = await agentsWith().compile(body("size(state.tries) > 3"));
    expect(await errorOf(() => runOnce(stuck, "go"))).toMatchObject({ code: "graph_failed" });
  });

  const log = { state_schema: { log: { reducer: "append" }, route: { type: "str" } } };
  const step = (name: string, more: object = {}) => ({
    name,
    model: scripted(name),
    writes: ["log"],
    ...more,
  });
  const way = (from: string, to: string, when?: string) => ({ from, to, ...(when && { when }) });
  const run = async (body: object, input: unknown = "go") =>
    (await runOnce(await agentsWith().compile(body), input)).state?.["log"];

  it("runs a node once where branches of different length meet", async () => {
    const nodes = ["a", "b", "c", "d"].map((name) => step(name));
    const edges = [way("START", "a"), way("START", "b"), way("b", "c"), way("a", "d"), way("c", "d")];
    expect(await run({ ...log, nodes, edges })).toEqual(["a", "b", "c", "d"]);
  });

  it("runs a node once behind alternatives, and where one of two conditional branches is not taken", async () => {
    const nodes = ["a", "b", "c", "d"].map((name) => step(name));
    const edges = (ofB: string) => [way("a", "b", ofB), way("a", "c", "true"), way("b", "d"), way("c", "d")];
    expect(await run({ ...log, nodes, edges: edges("false") })).toEqual(["a", "c", "d"]);
    expect(await run({ ...log, nodes, edges: edges("true") })).toEqual(["a", "b", "c", "d"]);
  });

  it("meets again in every round of a loop", async () => {
    const nodes = ["a", "b", "c", "d"].map((name) => step(name));
    const edges = [
      way("START", "a"),
      ...[way("a", "b"), way("a", "c"), way("b", "d"), way("c", "d")],
      way("d", "a", "size(state.log) < 5"),
      way("d", "END", "size(state.log) >= 5"),
    ];
    expect(await run({ ...log, nodes, edges })).toEqual(["a", "b", "c", "d", "a", "b", "c", "d"]);
  });

  it("takes the way that the input says", async () => {
    const nodes = ["a", "b"].map((name) => step(name));
    const edges = [way("START", "a", "input.route == 'a'"), way("START", "b", "input.route != 'a'")];
    expect(await run({ ...log, nodes, edges }, { route: "a" })).toEqual(["a"]);
    expect(await run({ ...log, nodes, edges }, { route: "x" })).toEqual(["b"]);
  });

  it("follows the router's label, and asks once more for a label that is none", async () => {
    const desk = (...answers: string[]) => ({ name: "desk", type: "router", model: scripted(...answers) });
    const edges = [way("START", "desk"), way("desk", "a", "left side"), way("desk", "b", "right")];
    const nodes = (...answers: string[]) => [desk(...answers), step("a"), step("b")];
    expect(await run({ ...log, nodes: nodes('"Left side".'), edges })).toEqual(["a"]);
    const lost = await agentsWith().compile({ ...log, nodes: nodes("up"), edges });
    const error = await errorOf(() => runOnce(lost, "go"));
    expect(error).toMatchObject({ code: "graph_failed" });
    expect(error.message).toContain("left side, right");
  });

  it.each([
    ["an unknown field", { messages: [], topics: "x" }, "/input/topics"],
    ["a value of another type", { topic: 5 }, "/input/topic"],
  ])("refuses an input with %s", async (_, input, path) => {
    const body = { state_schema: { topic: { type: "str" } }, nodes: [{ name: "a", model: echo }] };
    const agent = await agentsWith().compile(body);
    expect(await errorOf(() => agent.toInput(input))).toMatchObject({ code: "invalid_input", path });
  });

  it("fails where a condition cannot be told, and where two nodes write one value at once", async () => {
    const nodes = [step("a"), step("b", { writes: ["route"] }), step("c", { writes: ["route"] })];
    const untold = await agentsWith().compile({
      ...log,
      nodes: [step("a"), step("b")],
      edges: [way("a", "b", "state.route.size() > input")],
    });
    expect(await errorOf(() => runOnce(untold, "go"))).toMatchObject({
      code: "graph_failed",
      path: "/edges/0/when",
    });
    const race = await agentsWith().compile({ ...log, nodes, edges: [way("a", "b"), way("a", "c")] });
    await expect(runOnce(race, "go")).rejects.toThrow(/route/);
  });

  it("does not mix up runs at the same time", async () => {
    const nodes = [
      { name: "one", model: echo, writes: ["route"] },
      { name: "two", model: echo, reads: ["route"] },
    ];
    const agent = await agentsWith().compile({ ...log, nodes, edges: [way("one", "two")] });
    const inputs = Array.from({ length: 20 }, (_, i) => `run ${i}`);
    const outputs = await Promise.all(inputs.map(async (input) => (await runOnce(agent, input)).output));
    expect(outputs).toEqual(inputs.map((input) => `route:\n${input}`));
  });

  it("gives a scripted model of a loop its next answer in every round", async () => {
    const nodes = [
      { name: "talker", model: scripted("first", "second", "third") },
      { name: "other", model: scripted("hm") },
    ];
    const edges = [
      way("START", "talker"),
      way("talker", "other"),
      way("other", "talker", "size(state.messages) < 5"),
      way("other", "END", "size(state.messages) >= 5"),
    ];
    const agent = await agentsWith().compile({ nodes, edges });
    const state = (await agent.graph.invoke(agent.toInput("go"), {})) as { messages: { text: string }[] };
    expect(state.messages.map(({ text }) => text)).toEqual(["go", "first", "hm", "second", "hm"]);
  });
});

describe("a graph of the operator's", () => {
  const folder = new URL("../../examples/graphs/", import.meta.url).pathname;
  const graphModules = new Map([
    ["shout", `${folder}shout.mjs`],
    ["gone", `${folder}gone.mjs`],
    ["other", new URL("../../src/agents/json.ts", import.meta.url).pathname],
  ]);
  it.each([
    ["shuot", "invalid_definition", 'mean "shout"'],
    ["gone", "graph_unusable", "cannot be loaded"],
    ["other", "graph_unusable", "exports no compiled graph"],
  ])("%s is refused", async (graph, code, words) => {
    const error = await errorOf(() => agentsWith({}, { graphModules }).compile({ graph }));
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
  });
});
