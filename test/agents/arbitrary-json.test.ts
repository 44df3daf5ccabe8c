import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readDefinition } from "../../src/agents/definition.ts";
import { toInput } from "../../src/agents/input.ts";
import { AgentError } from "../../src/errors/agent-error.ts";

const RUNS = { numRuns: 3_000 };

/** The value, or the status of the AgentError; anything else that is thrown fails the property. */
function outcomeOf(work: () => unknown): number {
  try {
    work();
    return 200;
  } catch (error) {
    if (error instanceof AgentError) return error.kind.status;
    throw error;
  }
}

/** Objects with the keys of the language and any values: nearer to the checks than JSON at large. */
function keyed(keys: string[], values: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.dictionary(fc.constantFrom(...keys, "__proto__", "constructor", "a/b~c", ""), values, {
    maxKeys: 6,
  });
}

const json = fc.jsonValue({ maxDepth: 4 });
const word = fc.oneof(
  fc.constantFrom("orchestrator", "agent", "openai", "scripted", "a", "b", "START", "search", "toString"),
  json,
);
const model = fc.oneof(
  keyed(["provider", "model", "model_name", "responses", "temperature", "fallbacks", "base_url"], word),
  json,
);
const settings = fc.oneof(word, model, fc.array(word, { maxLength: 3 }));
const config = keyed(["name", "model", "tools", "system_prompt", "state_schema"], settings);
const node = fc.oneof(
  keyed(["id", "type", "name", "model", "tools", "config"], fc.oneof(settings, config)),
  json,
);
const list = fc.oneof(
  fc.array(fc.oneof(node, keyed(["from", "to", "name", "script"], word)), { maxLength: 4 }),
  fc.array(node, { minLength: 1, maxLength: 1 }),
  json,
);
const schema = keyed(
  ["type", "properties", "required", "$ref", "$defs", "items", "anyOf"],
  fc.oneof(word, json),
);
const runtime = keyed(["type", "method", "url", "headers", "query", "body", "script"], word);
const tool = fc.record(
  {
    name: fc.oneof(word, fc.constant("search")),
    input_schema: fc.oneof(schema, json),
    runtime: fc.oneof(
      runtime,
      fc.record({
        type: fc.constant("http"),
        method: fc.constantFrom("GET", "POST"),
        url: fc.oneof(fc.webUrl(), fc.string(), fc.constant("http://h/{a}")),
        body: json,
      }),
    ),
    effect: word,
  },
  { requiredKeys: ["name", "runtime"] },
);
const withTool = fc.record({
  nodes: fc.constant([{ name: "a", model: { provider: "echo" }, tools: ["search"] }]),
  tool_definitions: fc.array(tool, { maxLength: 2 }),
});
const definition = keyed(["nodes", "edges", "tool_definitions", "limits", "name", "graph"], list);
const message = fc.oneof(keyed(["role", "content", "name"], fc.oneof(fc.constant("user"), json)), json);
const input = keyed(["messages"], fc.oneof(fc.array(message, { maxLength: 3 }), json));

describe("whatever JSON is sent", () => {
  it("as a definition is read or refused as the sender's fault", () => {
    const property = fc.property(fc.oneof(json, definition, withTool), (body) => {
      expect([200, 422]).toContain(outcomeOf(() => readDefinition(body)));
    });
    fc.assert(property, RUNS);
  });

  it("as an input is read or refused as the sender's fault", () => {
    const property = fc.property(fc.oneof(json, input), (body) => {
      expect([200, 422]).toContain(outcomeOf(() => toInput(body)));
    });
    fc.assert(property, RUNS);
  });
});
