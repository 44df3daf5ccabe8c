import { describe, expect, it } from "vitest";
import { readDefinition } from "../../src/agents/definition.ts";
import { errorOf, nodeWith, scripted } from "./support.ts";

const gpt = { provider: "openai", model_name: "gpt-4o" };
const flat = nodeWith(gpt, { type: "orchestrator" });
const get = { type: "http", method: "GET", url: "https://example.com" };
const tool = { name: "search", runtime: get };
const withTool = (changes: object) => ({ ...flat, tool_definitions: [{ ...tool, ...changes }] });
const orchestrator = { type: "orchestrator", name: "main", model: gpt };
const specialist = { name: "writer", model: gpt };

describe("a definition is refused with the place and a near miss", () => {
  it.each([
    [
      "a key that is not read",
      nodeWith(gpt, { system_promt: "x" }),
      "/nodes/0/system_promt",
      'mean "system_prompt"',
    ],
    [
      "one under config",
      { nodes: [{ config: { model: gpt, tols: [] } }] },
      "/nodes/0/config/tols",
      'mean "tools"',
    ],
    ["one at the top", { ...flat, limit: {} }, "/limit", 'mean "limits"'],
    ["one of a limit", { ...flat, limits: { stepps: 1 } }, "/limits/stepps", 'mean "steps"'],
    [
      "one of an answer",
      nodeWith(scripted({ contnt: "x" })),
      "/nodes/0/model/responses/0/contnt",
      'mean "content"',
    ],
    ["a request in the definition", { ...flat, user_request: "Hi" }, "/user_request", "`input` of the event"],
    ["an unknown type", nodeWith(gpt, { type: "orchestrater" }), "/nodes/0/type", 'mean "orchestrator"'],
    ["no nodes", { nodes: [] }, "/nodes", ""],
    ["a missing list of nodes", {}, "/nodes", '"nodes" is missing'],
    ["a missing model", { nodes: [{ name: "a" }] }, "/nodes/0/model", '"model" is missing'],
    ["a missing model name", nodeWith({ provider: "openai" }), "/nodes/0/model/model_name", "missing"],
    ["two model names", nodeWith({ ...gpt, model: "gpt-5" }), "/nodes/0/model", "two names for one thing"],
    ["a script that is missing", nodeWith({ provider: "scripted" }), "/nodes/0/model/responses", "missing"],
    [
      "a script for a real model",
      nodeWith({ ...gpt, responses: ["a"] }),
      "/nodes/0/model/responses",
      "scripted",
    ],
    [
      "an answer of the wrong type",
      nodeWith(scripted("a", 5)),
      "/nodes/0/model/responses/1",
      "string or object",
    ],
    ["a limit of nothing", { ...flat, limits: { steps: 0 } }, "/limits/steps", ""],
    ["half a step", { ...flat, limits: { steps: 1.5 } }, "/limits/steps", "integer"],
    ["no time at all", { ...flat, limits: { seconds: 0 } }, "/limits/seconds", ""],
    [
      "two orchestrators",
      { nodes: [orchestrator, { ...orchestrator, name: "b" }] },
      "/nodes/1/type",
      "one orchestrator",
    ],
    ["101 nodes", { nodes: Array.from({ length: 101 }, () => specialist) }, "/nodes", "100"],
    ["a text", "definition", "", "object"],
    ["a list", [], "", "object"],
    ["nothing", null, "", "object"],
  ])("when it has %s", async (_, body, path, words) => {
    const error = await errorOf(() => readDefinition(body));
    expect(error).toMatchObject({ code: "invalid_definition", path });
    expect(error.message).toContain(words);
  });

  it("when a node names an unknown tool", async () => {
    const body = { tool_definitions: [tool], nodes: [{ ...specialist, tools: ["serch"] }] };
    const error = await errorOf(() => readDefinition(body));
    expect(error).toMatchObject({ code: "unknown_tool", path: "/nodes/0/tools/0" });
    expect(error.message).toBe('"serch" is not a tool of this definition (did you mean "search"?)');
  });

  it("when a node names a tool that deep agents have anyway", async () => {
    const error = await errorOf(() =>
      readDefinition(nodeWith(gpt, { type: "orchestrator", tools: ["read_file"] })),
    );
    expect(error).toMatchObject({ code: "unknown_tool", path: "/nodes/0/tools/0" });
    expect(error.message).toContain("without being told");
  });

  it("when a provider is unknown", async () => {
    const error = await errorOf(() => readDefinition(nodeWith({ provider: "opnai", model: "x" })));
    expect(error).toMatchObject({ code: "unknown_provider", path: "/nodes/0/model/provider" });
    expect(error.message).toMatch(/openai, anthropic, scripted, echo, .*\(did you mean "openai"\?\)/);
  });

  it("when an edge names an unknown node", async () => {
    const body = {
      nodes: [specialist],
      edges: [
        { from: "START", to: "writer" },
        { from: "writr", to: "END" },
      ],
    };
    const error = await errorOf(() => readDefinition(body));
    expect(error).toMatchObject({ code: "unknown_node", path: "/edges/1/from" });
    expect(error.message).toContain('did you mean "writer"');
  });

  it.each([
    [{ nodes: [specialist, specialist] }, "/nodes/1/name"],
    [{ nodes: [specialist, { config: specialist }] }, "/nodes/1/config/name"],
    [
      {
        nodes: [
          { ...specialist, id: "a" },
          { id: "a", name: "b", model: gpt },
        ],
      },
      "/nodes/1/id",
    ],
    [{ nodes: [specialist], tool_definitions: [tool, tool] }, "/tool_definitions/1/name"],
  ])("when two things have one name (%#)", async (body, path) => {
    expect(await errorOf(() => readDefinition(body))).toMatchObject({ code: "duplicate_name", path });
  });

  it("without quoting endless names", async () => {
    const key = "k".repeat(100_000);
    const error = await errorOf(() => readDefinition({ ...flat, [key]: 1 }));
    expect(error.message.length + (error.path ?? "").length).toBeLessThan(500);
  });
});

describe("what this version does not run is refused, never ignored", () => {
  it.each([
    ["scripts beside a runtime", withTool({ runtime: {}, script: "x" }), "/tool_definitions/0/script"],
    ["scripts in a runtime", withTool({ runtime: { script: "x" } }), "/tool_definitions/0/runtime/script"],
  ])("%s", async (_, body, path) => {
    const error = await errorOf(() => readDefinition(body));
    expect(error).toMatchObject({ code: "not_supported_yet", path });
    expect(error.message).toContain("this version does not run that yet");
  });

  it.each(["python"])("tools of type %s", async (type) => {
    const error = await errorOf(() => readDefinition(withTool({ runtime: { type } })));
    expect(error).toMatchObject({ code: "not_supported_yet", path: "/tool_definitions/0/runtime/type" });
  });

  it("nodes of type python", async () => {
    const error = await errorOf(() => readDefinition({ nodes: [{ type: "python", name: "p" }] }));
    expect(error).toMatchObject({ code: "not_supported_yet", path: "/nodes/0/type" });
  });

  it("but empty lists of it are taken", () => {
    const body = { ...nodeWith({ ...gpt, fallbacks: [] }, { tools: [] }), tool_definitions: [], edges: [] };
    expect(readDefinition(body).nodes).toHaveLength(1);
  });
});
