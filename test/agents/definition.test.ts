import { Compile } from "typebox/compile";
import { describe, expect, it } from "vitest";
import { definitionJsonSchema, readDefinition } from "../../src/agents/definition.ts";
import { nodeWith, scripted } from "./support.ts";

const gpt = { provider: "openai", model_name: "gpt-4o" };
const flat = {
  tool_definitions: [],
  nodes: [
    {
      type: "orchestrator",
      name: "main",
      model: gpt,
      system_prompt: "You are a helpful assistant.",
      tools: [],
    },
  ],
  edges: [],
};

describe("a definition", () => {
  it("of the first example is read", () => {
    expect(readDefinition(flat)).toMatchObject({
      shape: "orchestrator",
      nodes: [
        {
          type: "orchestrator",
          name: "main",
          model: { ...gpt, path: "/nodes/0/model" },
          system_prompt: "You are a helpful assistant.",
          tools: [],
        },
      ],
      tools: [],
      limits: {},
    });
  });

  it("may nest a node's keys under config, which wins key by key", () => {
    const config = { name: "inner", model: { provider: "openai", model: "gpt-4o" }, system_prompt: "Inner." };
    const nested = { nodes: [{ id: "n1", type: "agent", name: "outer", model: { model: "other" }, config }] };

    const { nodes } = readDefinition(nested);

    const model = { ...gpt, path: "/nodes/0/config/model" };
    expect(nodes).toMatchObject([
      { type: "agent", name: "inner", model, system_prompt: "Inner.", tools: [] },
    ]);
  });

  it("may leave out provider, type, name, prompt, tools and edges", () => {
    const { nodes } = readDefinition({ nodes: [{ id: "a", model: { model: "gpt-4o" } }] });
    expect(nodes).toMatchObject([
      { type: "agent", name: "a", model: { ...gpt, path: "/nodes/0/model" }, tools: [] },
    ]);
  });

  it.each(["agent", "specialist", "Specialist", "AGENT"])(
    "runs a lone node of type %s as a plain agent",
    (type) => {
      expect(readDefinition(nodeWith(gpt, { type })).nodes[0]?.type).toBe("agent");
    },
  );

  it("keeps its limits and what it says about itself", () => {
    const about = {
      name: "helper",
      description: "Helps.",
      version: "1.2",
      limits: { steps: 5, seconds: 0.5 },
    };
    expect(readDefinition({ ...flat, ...about })).toMatchObject(about);
  });

  it("is published as a JSON Schema that takes the same definitions", () => {
    const schema = definitionJsonSchema();
    const published = Compile(JSON.parse(JSON.stringify(schema)));

    expect(schema).toMatchObject({ $schema: expect.stringContaining("2020-12"), title: "Agent definition" });
    expect(schema["$id"]).toBeTypeOf("string");
    expect(published.Check(flat)).toBe(true);
    expect(published.Check(nodeWith(scripted("a", { content: "b", delay_ms: 5 })))).toBe(true);
    expect(published.Check({ nodes: [{ config: { model: { provider: "echo" } } }] })).toBe(true);
    expect(published.Check({ nodes: [{ config: {} }] })).toBe(false);
    expect(published.Check({ nodes: [{ model: { provider: "scripted" } }] })).toBe(false);
    expect(published.Check({ nodes: [{ model: {} }] })).toBe(false);
  });

  it("describes every property in its schema", () => {
    const bare: string[] = [];
    visit(definitionJsonSchema(), "", bare);
    expect(bare).toEqual([]);
  });
});

/** Collects the properties that have no description. */
function visit(schema: unknown, path: string, bare: string[]): void {
  if (typeof schema !== "object" || schema === null) return;
  for (const [key, part] of Object.entries(schema)) {
    // Inside conditions, properties are tests and not declarations.
    if (["if", "else", "not", "allOf"].includes(key) || (key === "anyOf" && path.endsWith("/items")))
      continue;
    if (key === "properties") {
      for (const [name, property] of Object.entries(part)) {
        if (!Object.hasOwn(Object(property), "description")) bare.push(`${path}/${name}`);
      }
    }
    visit(part, `${path}/${key}`, bare);
  }
}
