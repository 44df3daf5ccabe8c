import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { definitionHash } from "../../src/agents/definition-hash.ts";
import { errorOf } from "./support.ts";

describe("the hash of a definition", () => {
  it("is a sha-256 in hex", () => {
    expect(definitionHash({ a: 1 })).toBe("015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");
  });

  it("does not depend on the order of keys, at any depth", () => {
    const one = { a: 1, b: { c: [{ d: 1, e: 2 }], f: null } };
    const other = { b: { f: null, c: [{ e: 2, d: 1 }] }, a: 1 };
    expect(definitionHash(one)).toBe(definitionHash(other));
  });

  it("depends on the order of lists, on every value and on every key", () => {
    const bodies = [
      { a: [1, 2] },
      { a: [2, 1] },
      { a: ["1", 2] },
      { b: [1, 2] },
      { a: [1, 2], b: null },
      [1, 2],
      {},
      [],
    ];
    expect(new Set(bodies.map(definitionHash)).size).toBe(bodies.length);
  });

  it("is the same for a definition that has been through JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (body) => {
        expect(definitionHash(JSON.parse(JSON.stringify(body)))).toBe(definitionHash(body));
      }),
    );
  });

  it("takes 128 levels and refuses more", async () => {
    const nested = (levels: number): unknown => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`);
    expect(definitionHash(nested(128))).toMatch(/^[0-9a-f]{64}$/);
    expect((await errorOf(() => definitionHash(nested(50_000)))).code).toBe("invalid_definition");
  });
});
