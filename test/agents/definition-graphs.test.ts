import { describe, expect, it } from "vitest";
import { problemsOf, readDefinition } from "../../src/agents/definition.ts";
import { errorOf } from "./support.ts";

const model = { model: "gpt-4o" };
const agents = (...names: string[]) => names.map((name) => ({ name, model }));
const edges = (...pairs: string[]) =>
  pairs.map((pair) => {
    const [from = "", to = "", when] = pair.split(/ > | if /);
    return { from, to, ...(when && { when }) };
  });
const pipeline = (names: string[], ...pairs: string[]) => ({
  nodes: agents(...names),
  edges: edges(...pairs),
});
const boss = { type: "orchestrator", name: "boss", model };
const team = (names: string[], ...pairs: string[]) => ({
  nodes: [boss, ...agents(...names)],
  edges: edges(...pairs),
});
const tool = { name: "search", runtime: { type: "http", method: "GET", url: "https://example.com" } };
const score = { state_schema: { score: { type: "int" }, notes: { reducer: "append" } } };
const withNode = (node: object) => ({
  ...score,
  tool_definitions: [tool],
  nodes: [...agents("a"), { name: "b", ...node }],
  edges: edges("a > b"),
});

describe("a graph that cannot run is refused with its place", () => {
  it.each([
    ["nodes without edges", pipeline(["a", "b"]), "/edges", "how the nodes follow each other"],
    [
      "a node that nothing leads to",
      pipeline(["a", "b", "c"], "START > a", "a > b"),
      "/nodes/2",
      "never reached",
    ],
    ["an island", pipeline(["a", "b", "c"], "a > b"), "/nodes/2", "never reached"],
    [
      "a node with no way out",
      pipeline(["a", "b", "c"], "START > a", "a > b", "a > END", "b > c", "c > b if input == 1"),
      "/nodes/1",
      "no way leads to END",
    ],
    [
      "a loop without a condition",
      pipeline(["a", "b"], "START > a", "a > b", "b > a", "b > END if input == 'x'"),
      "/edges/1",
      "could never end",
    ],
    ["a node that is its own successor", pipeline(["a"], "START > a", "a > a"), "/nodes/0", "no way"],
    ["something behind END", pipeline(["a"], "END > a"), "/edges/0/from", "behind END"],
    ["something before START", pipeline(["a"], "a > START"), "/edges/0/to", "before START"],
    ["an edge twice", pipeline(["a", "b"], "a > b", "a > b"), "/edges/1", "twice"],
    [
      "a condition that is none",
      pipeline(["a", "b"], "a > b if state."),
      "/edges/0/when",
      "no condition in CEL",
    ],
    ["a condition with another variable", pipeline(["a", "b"], "a > b if stat.x"), "/edges/0/when", "stat"],
    [
      "a condition that is a number",
      pipeline(["a", "b"], "a > b if 1 + 1"),
      "/edges/0/when",
      "not true or false",
    ],
    [
      "a condition over an unknown channel",
      { ...score, ...pipeline(["a", "b"], "a > b if state.scor > 1") },
      "/edges/0/when",
      'mean "score"',
    ],
    ["a router without labels", withNode({ type: "router", model }), "/nodes/1", "no edge to choose"],
    [
      "a channel that is not there",
      withNode({ model, reads: ["scoer"] }),
      "/nodes/1/reads/0",
      'mean "score"',
    ],
    [
      "a text for a number",
      withNode({ model, writes: ["score"] }),
      "/nodes/1/writes",
      "give an output_schema",
    ],
    [
      "an output without the channel",
      withNode({
        model,
        writes: ["score", "notes"],
        output_schema: { properties: { score: { type: "integer" } }, required: ["score"] },
      }),
      "/nodes/1/writes",
      "no property of output_schema",
    ],
    ["a tool node without a tool", withNode({ type: "tool" }), "/nodes/1/tool", "missing"],
    [
      "arguments from nowhere",
      withNode({ type: "tool", tool: "search", args: { q: "{scores}" } }),
      "/nodes/1/args",
      'mean "score"',
    ],
    [
      "a key of another kind of node",
      withNode({ type: "approval", tools: [] }),
      "/nodes/1/tools",
      "approval",
    ],
    [
      "arguments to edit",
      withNode({ type: "approval", approval: { allowed: ["edit"] } }),
      "/nodes/1/approval/allowed",
      "",
    ],
    ["a graph node without a graph", withNode({ type: "graph" }), "/nodes/1/graph", "missing"],
    [
      "a node with the name of a channel",
      { ...pipeline(["a", "b"]), state_schema: { a: { type: "str" } } },
      "/nodes/0/id",
      "another id",
    ],
    [
      "a reserved channel",
      { ...pipeline(["a"]), state_schema: { files: {} } },
      "/state_schema/files",
      "choose another",
    ],
    [
      "a reducer of the wrong type",
      { ...pipeline(["a"]), state_schema: { x: { type: "str", reducer: "append" } } },
      "/state_schema/x/reducer",
      "list",
    ],
    [
      "a reducer that is none",
      { ...pipeline(["a"]), state_schema: { x: { reducer: "apend" } } },
      "/state_schema/x/reducer",
      'mean "append"',
    ],
    [
      "one channel declared in two ways",
      {
        nodes: [
          { ...boss, state_schema: { x: { type: "str" } } },
          { name: "a", model, state_schema: { x: { type: "int" } } },
        ],
      },
      "/nodes/1/state_schema/x",
      "in another way",
    ],
    ["nodes and a graph", { graph: "g", nodes: agents("a") }, "/graph", "not both"],
    [
      "several nodes of which one has no name",
      { nodes: [...agents("a"), { model }], edges: [] },
      "/nodes/1/name",
      "missing",
    ],
    ["a specialist that nobody may call", team(["a", "b"], "boss > a"), "/nodes/2", "nobody may delegate"],
    [
      "delegation to the orchestrator",
      team(["a"], "boss > a", "a > boss"),
      "/edges/1/to",
      "to the orchestrator",
    ],
    ["delegation in a circle", team(["a", "b"], "boss > a", "a > b", "b > a"), "/edges/1", "circle"],
    ["delegation under a condition", team(["a"], "boss > a if input == 1"), "/edges/0/when", "by itself"],
    [
      "four levels of delegation",
      team(["a", "b", "c", "d"], "boss > a", "a > b", "b > c", "c > d"),
      "/nodes/4",
      "more than 3 levels",
    ],
    [
      "a router beside an orchestrator",
      { nodes: [boss, { type: "router", name: "r", model }] },
      "/nodes/1/type",
      "only specialists",
    ],
    [
      "a specialist with channels",
      { ...score, nodes: [boss, { name: "a", model, reads: ["score"] }] },
      "/nodes/1/reads",
      "shares no channels",
    ],
  ])("%s", async (_, body, path, words) => {
    const error = await errorOf(() => readDefinition(body));
    expect(error).toMatchObject({ code: "invalid_definition", path });
    expect(error.message).toContain(words);
  });

  it("and an unknown tool of a tool node with a near miss", async () => {
    const error = await errorOf(() => readDefinition(withNode({ type: "tool", tool: "serch" })));
    expect(error).toMatchObject({ code: "unknown_tool", path: "/nodes/1/tool" });
    expect(error.message).toContain('mean "search"');
  });

  it("with all that is wrong at once where that is asked for", () => {
    const body = {
      tool_definitions: [tool, tool],
      nodes: [
        { name: "a", model, tools: ["serch"] },
        { name: "b", model: { ...model, temprature: 1 } },
      ],
      edges: edges("a > c"),
    };
    expect(problemsOf(body).map(({ code, path }) => `${code} ${path}`)).toEqual([
      "duplicate_name /tool_definitions/1/name",
      "unknown_tool /nodes/0/tools/0",
      "unknown_node /edges/0/to",
      "invalid_definition /nodes/1/model/temprature",
    ]);
    const second = pipeline(["a", "b", "c"], "START > a", "a > b if nope", "b > a if 1");
    expect(problemsOf(second).map(({ path }) => path)).toEqual(["/edges/1/when", "/edges/2/when"]);
    expect(problemsOf(pipeline(["a"]))).toEqual([]);
  });
});

describe("what runs is taken", () => {
  it.each([
    ["an agent", pipeline(["a"]), "agent"],
    ["an agent between START and END", pipeline(["a"], "START > a", "a > END"), "agent"],
    ["a sequence", pipeline(["a", "b"], "a > b"), "pipeline"],
    [
      "a loop with a condition",
      pipeline(["a", "b"], "START > a", "a > b", "b > a if input == 1", "b > END if input != 1"),
      "pipeline",
    ],
    ["specialists without edges", team(["a", "b"]), "orchestrator"],
    [
      "three levels of delegation",
      team(["a", "b", "c"], "START > boss", "boss > a", "a > b", "b > c"),
      "orchestrator",
    ],
    ["a graph of the operator's", { graph: "g" }, "graph"],
    [
      "the reducer of the service that came before",
      {
        nodes: [
          {
            ...boss,
            state_schema: { messages: { type: "list", item_type: "dict", reducer: "add_messages" } },
          },
        ],
      },
      "orchestrator",
    ],
  ])("%s", (_, body, shape) => {
    expect(problemsOf(body)).toEqual([]);
    expect(readDefinition(body).shape).toBe(shape);
  });

  it("describes a specialist by the beginning of its prompt where nothing else does", () => {
    const body = { nodes: [boss, { name: "a", model, system_prompt: "x".repeat(300) }] };
    expect(readDefinition(body).nodes[1]).toMatchObject({ description: "x".repeat(200) });
  });
});
