import { Value } from "typebox/value";
import { describe, expect, it } from "vitest";
import { eventExamples } from "../../scripts/lib/event-examples.ts";
import { definitionJsonSchema, readDefinition } from "../../src/agents/definition.ts";
import { eventData } from "../../src/events/schemas.ts";

const schemas = { ...eventData.in, ...eventData.out };

describe("the examples of docs/events.md", () => {
  it("are one of each type", () => {
    expect(Object.keys(eventExamples).toSorted()).toEqual(Object.keys(schemas).toSorted());
  });

  it.each(Object.entries(schemas))("%s is what its schema says", (kind, schema) => {
    const { data } = eventExamples[kind] ?? {};

    expect([...Value.Errors(schema, data)]).toEqual([]);
    expect(Value.Check(schema, { ...data, job_id: 7 })).toBe(false);
  });

  it("carry a definition that can be run", () => {
    expect(definitionJsonSchema()).toBeDefined();
    expect(() => readDefinition(eventExamples["execute"]?.data["agent_definition"])).not.toThrow();
  });
});
