import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readDefinition } from "../../src/agents/definition.ts";
import { BUILT_IN } from "../../src/agents/definition-checks.ts";
import { ScriptedModel } from "../../src/agents/scripted.ts";
import { errorOf } from "./support.ts";

const get = { type: "http", method: "GET", url: "https://example.com/{id}" };
const post = { ...get, method: "POST" };
const idOnly = { type: "object", properties: { id: { type: "string" } } };
const model = { provider: "echo" };

function withTool(tool: object, node: object = {}): object {
  return {
    tool_definitions: [{ name: "look", input_schema: idOnly, runtime: get, ...tool }],
    nodes: [{ type: "agent", name: "main", model, tools: ["look"], ...node }],
  };
}
const toolOf = (tool: object) => readDefinition(withTool(tool)).tools[0];
const withRuntime = (changes: object) => withTool({ runtime: { ...post, ...changes } });

describe("a tool", () => {
  it("that only has to be there has defaults for the rest", () => {
    expect(toolOf({})).toMatchObject({
      ...{ name: "look", description: "look", effect: "read", onUnknown: "fail", timeoutSeconds: 30 },
      retry: { attempts: 1, waitSeconds: 1 },
      runtime: {
        type: "http",
        method: "GET",
        url: { origin: "https://example.com", path: "/{id}", query: "" },
      },
    });
  });

  it.each([
    ["GET", undefined, "read"],
    ["POST", undefined, "write"],
    ["PUT", undefined, "write"],
    ["PATCH", undefined, "write"],
    ["DELETE", undefined, "write"],
    ["POST", "read", "read"],
    ["GET", "write", "write"],
  ])("by %s with effect %s has effect %s", (method, given, effect) => {
    const tool = toolOf({ runtime: { ...get, method }, ...(given ? { effect: given } : {}) });
    expect(tool?.effect).toBe(effect);
  });

  it("may be defined and named by no node", () => {
    expect(readDefinition(withTool({}, { tools: [] })).nodes[0]).toMatchObject({ tools: [] });
  });

  it("may be named under config, in any kind of node", () => {
    const nested = { tools: [], config: { tools: ["look"] }, type: "orchestrator" };
    expect(readDefinition(withTool({}, nested)).nodes[0]).toMatchObject({
      type: "orchestrator",
      tools: ["look"],
    });
  });
});

it("the example of the documentation is one", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/tools.md"), "utf8");
  const [, example = ""] = /```json\n(.*?)```/s.exec(page) ?? [];
  expect(readDefinition(JSON.parse(example)).tools[0]).toMatchObject({ effect: "write", onUnknown: "retry" });
});

it("all tools that the documentation shows are ones", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/tools.md"), "utf8");
  const examples = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, example = ""]) => JSON.parse(example));
  const tools = examples.filter((example) => "runtime" in example);

  const types = tools.map(
    (tool) =>
      readDefinition({ ...withTool({}, { tools: [] }), tool_definitions: [tool] }).tools[0]?.runtime.type,
  );

  expect(new Set(types)).toEqual(new Set(["javascript", "mcp", "builtin", "module", "http"]));
});

describe("a tool is refused", () => {
  it.each([
    ["a name with spaces", withTool({ name: "look up" }, { tools: [] }), "/name", "pattern"],
    ["an endless name", withTool({ name: "a".repeat(65) }, { tools: [] }), "/name", "pattern"],
    ["no runtime", withTool({ runtime: {} }), "/runtime/type", "missing"],
    ["an unknown runtime", withRuntime({ type: "htp" }), "/runtime/type", '"htp" is none of http'],
    ["an unknown method", withRuntime({ method: "get" }), "/runtime/method", 'did you mean "GET"'],
    ["a misspelt key", withRuntime({ header: {} }), "/runtime/header", 'did you mean "headers"'],
    ["a key that is not read", withTool({ efect: "read" }), "/efect", 'did you mean "effect"'],
    ["a relative URL", withRuntime({ url: "/x" }), "/runtime/url", "absolute"],
    ["another scheme", withRuntime({ url: "file:///etc/passwd" }), "/runtime/url", "absolute"],
    ["a host that is an argument", withRuntime({ url: "https://{id}/x" }), "/runtime/url", "behind the host"],
    ["a port that is one", withRuntime({ url: "https://h:{id}/" }), "/runtime/url", "behind the host"],
    ["half a host that is one", withRuntime({ url: "https://{id}.example.com/" }), "/runtime/url", "behind"],
    ["a scheme that is one", withRuntime({ url: "{id}://example.com/" }), "/runtime/url", "absolute"],
    ["a password", withRuntime({ url: "https://a:b@h/" }), "/runtime/url", "without user"],
    ["a fragment", withRuntime({ url: "https://h/#{id}" }), "/runtime/url", "fragment"],
    ["dots in its path", withRuntime({ url: "https://h/a/../b" }), "/runtime/url", "percent-encoded"],
    ["a path with umlauts", withRuntime({ url: "https://h/straße" }), "/runtime/url", "percent-encoded"],
    ["a backslash", withRuntime({ url: "https://h\\@evil/" }), "/runtime/url", "absolute"],
    ["an unknown argument", withRuntime({ url: "https://h/{ID}" }), "/runtime/url", 'mean "id"'],
    ["one in a body", withRuntime({ body: [{ a: "{nope}" }] }), "/runtime/body", "{nope} is no property"],
    ["one in a header", withRuntime({ headers: { a: "{nope}" } }), "/runtime/headers", "no property"],
    ["one in a query", withRuntime({ query: { a: "{nope}" } }), "/runtime/query", "no property"],
    ["a header name with spaces", withRuntime({ headers: { "a b": "" } }), "/runtime/headers/a b", "no name"],
    [
      "a header of two lines",
      withRuntime({ headers: { a: "b\r\nc: d" } }),
      "/runtime/headers/a",
      "no header may",
    ],
    ["a header of ours", withRuntime({ headers: { Host: "h" } }), "/runtime/headers/Host", "by the service"],
    [
      "a key of its own",
      withRuntime({ headers: { "Idempotency-Key": "k" } }),
      "/runtime/headers/Idempotency-Key",
      "by the service",
    ],
    ["a GET with a body", withTool({ runtime: { ...get, body: {} } }), "/runtime/body", "no body"],
    [
      "JSON as a text",
      withRuntime({ body: '{"a": "{id}"}', headers: { "content-type": "application/json" } }),
      "/runtime/body",
      "as an object",
    ],
    ["no time", withTool({ timeout_seconds: 0 }), "/timeout_seconds", ""],
    ["no attempts", withTool({ retry: { attempts: 0 } }), "/retry/attempts", ""],
    ["on_unknown for a read", withTool({ on_unknown: "fail" }), "/on_unknown", "called again"],
    ["the name of a built-in", withTool({ name: "read_file" }, { tools: [] }), "/name", "orchestrators have"],
  ])("with %s", async (_, body, path, words) => {
    const error = await errorOf(() => readDefinition(body));
    expect(error).toMatchObject({ code: "invalid_definition", path: `/tool_definitions/0${path}` });
    expect(error.message).toContain(words);
  });

  it("when a node names it twice", async () => {
    const error = await errorOf(() => readDefinition(withTool({}, { tools: ["look", "look"] })));
    expect(error).toMatchObject({ code: "duplicate_name", path: "/nodes/0/tools/1" });
  });
});

it("the reserved names are those of a deep agent's own tools", async () => {
  const { createDeepAgent } = await import("deepagents");
  const { todoListMiddleware } = await import("langchain");
  const names: string[] = [];
  class Curious extends ScriptedModel {
    override bindTools(tools?: readonly { name: string }[]): this {
      names.push(...(tools ?? []).map(({ name }) => name));
      return this;
    }
  }
  const agent = createDeepAgent({
    model: new Curious(["done"]),
    middleware: [todoListMiddleware()] as never,
  });
  await agent.invoke({ messages: [{ role: "user", content: "go" }] } as never);

  // A backend that can execute would bring that one along.
  expect(new Set([...names, "execute"])).toEqual(BUILT_IN);
});
