import { describe, expect, it } from "vitest";
import { readInputSchema, schemaForModel } from "../../src/agents/input-schema.ts";
import { errorOf } from "./support.ts";

const check = (schema: Record<string, unknown>, args: unknown) => readInputSchema(schema, "/s")(args);
const refused = (schema: unknown) => errorOf(() => readInputSchema(schema as never, "/s"));
const of = (property: unknown) => ({ type: "object", properties: { a: property } });

describe("arguments", () => {
  it.each([
    [{}, {}],
    [{}, { anything: 1 }],
    [of({ type: "string", minLength: 1 }), { a: "x" }],
    [of({ type: ["string", "null"] }), { a: null }],
    [of({ enum: ["x", 1] }), { a: 1 }],
    [of({ const: { b: 1 } }), { a: { b: 1 } }],
    [of({ type: "array", items: { type: "integer" }, maxItems: 2, uniqueItems: true }), { a: [1, 2] }],
    [of({ prefixItems: [{ type: "string" }], items: false }), { a: ["x"] }],
    [of({ anyOf: [{ type: "string" }, { type: "null" }] }), { a: null }],
    [of({ $ref: "#/$defs/b" }), {}],
    [{ ...of({ $ref: "#/$defs/b" }), $defs: { b: { type: "string" } } }, { a: "x" }],
    [{ ...of({ $ref: "#/definitions/b", description: "B" }), definitions: { b: true } }, { a: 1 }],
    [
      { title: "T", $schema: "x", "x-own": 1, ...of({ examples: [1], default: 2, format: "email" }) },
      { a: "x" },
    ],
    [of({ pattern: "^(a+)+$" }), { a: `${"a".repeat(50)}!` }], // told, not checked: this one would take for ever
  ])("of %j: %j fit", (schema, args) => {
    const whole = JSON.stringify(schema).includes('"#/$defs/b"') ? { $defs: { b: {} }, ...schema } : schema;
    expect(check(whole, args)).toBeUndefined();
  });

  it.each([
    [{}, [], "the arguments must be object"],
    [{}, "text", "the arguments must be object"],
    [{}, null, "the arguments must be object"],
    [of({ type: "string" }), { a: 1 }, "/a must be string"],
    [{ ...of({}), required: ["a"] }, {}, "the arguments must have required properties a"],
    [
      { ...of({}), additionalProperties: false },
      { b: 1 },
      "the arguments must not have additional properties",
    ],
    [of({ type: "integer", minimum: 3 }), { a: 2.5 }, "/a must be integer; /a must be >= 3"],
    [
      {
        ...of({ $ref: "#/$defs/b", maxLength: 3 }),
        $defs: { b: { allOf: [{ $ref: "#/$defs/c" }] }, c: { type: "string" } },
      },
      { a: 5 },
      "/a must be string",
    ],
    [of({ anyOf: [{ type: "string" }, { type: "null" }] }), { a: 1 }, "/a must be string; /a must be null"],
  ])("of %j: %j do not fit", (schema, args, words) => {
    expect(check(schema, args)).toBe(words);
  });
});

describe("an input_schema is refused", () => {
  it.each([
    [{ type: "string" }, "/s/type"],
    [{ type: "objekt" }, "/s/type"],
    [{ type: ["object", "null"] }, "/s/type"],
    [of({ type: 5 }), "/s/properties/a/type"],
    [of("string"), "/s/properties/a"],
    [{ properties: [] }, "/s/properties"],
    [{ required: "a" }, "/s/required"],
    [{ required: [1] }, "/s/required"],
    [of({ enum: [] }), "/s/properties/a/enum"],
    [of({ anyOf: {} }), "/s/properties/a/anyOf"],
    [of({ anyOf: [] }), "/s/properties/a/anyOf"],
    [of({ minLength: -1 }), "/s/properties/a/minLength"],
    [of({ items: [{}] }), "/s/properties/a/items"],
    [of({ $ref: "#/$defs/gone" }), "/s/properties/a/$ref"],
    [of({ $ref: "https://example.com/schema.json" }), "/s/properties/a/$ref"],
    [of({ $ref: "#" }), "/s/properties/a/$ref"],
    [{ properties: { constructor: {} } }, "/s/properties/constructor"],
    [JSON.parse('{"properties": {"__proto__": {}}}'), "/s/properties/__proto__"],
  ])("%j", async (schema, path) => {
    expect(await refused(schema)).toMatchObject({ code: "invalid_definition", path });
  });

  it.each([
    [of({ if: {} }), "/s/properties/a/if", ""],
    [{ patternProperties: {} }, "/s/patternProperties", ""],
    [{ $id: "x" }, "/s/$id", ""],
    [of({ requred: ["b"] }), "/s/properties/a/requred", 'did you mean "required"'],
    [
      { ...of({ $ref: "#/$defs/b" }), $defs: { b: { items: { $ref: "#/$defs/b" } } } },
      "/s/$defs/b/items/$ref",
      "contains itself",
    ],
  ])("%j, which cannot be checked", async (schema, path, words) => {
    const error = await refused(schema);
    expect(error).toMatchObject({ code: "not_supported_yet", path });
    expect(error.message).toContain(words);
  });

  it("when its references would fill the memory", async () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [
        `d${i}`,
        { anyOf: [1, 2].map(() => ({ $ref: `#/$defs/d${i + 1}` })) },
      ]),
    );
    const bomb = { ...of({ $ref: "#/$defs/d0" }), $defs: { ...$defs, d30: {} } };
    expect((await refused(bomb)).message).toContain("too large");
  });

  it("when it is nested without end", async () => {
    let deep: object = {};
    for (let i = 0; i < 100; i++) deep = { not: deep };
    expect((await refused(of(deep))).message).toContain("too deeply");
  });
});

it("no code is made of a schema", () => {
  const evil = '"];globalThis.pwned=1;["';
  const schema = { properties: { [evil]: { const: evil, enum: [evil] } }, required: [evil] };
  expect(check(schema, { [evil]: evil })).toBeUndefined();
  expect(globalThis).not.toHaveProperty("pwned");
});

it("the model is told the schema as it was sent, as an object with properties", () => {
  expect(schemaForModel({})).toEqual({ type: "object", properties: {} });
  const sent = of({ pattern: "^a$", $ref: "#/$defs/b" });
  expect(schemaForModel({ ...sent, $defs: { b: {} } })).toEqual({ ...sent, $defs: { b: {} } });
});
