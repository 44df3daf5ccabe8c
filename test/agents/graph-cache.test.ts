import { describe, expect, it } from "vitest";
import { GraphCache } from "../../src/agents/graph-cache.ts";

const sized =
  (value: string, bytes = 10) =>
  async () => ({ value, bytes });
const unexpected = () => Promise.reject(new Error("made again"));

describe("the cache of graphs", () => {
  it("makes what it does not have, once", async () => {
    const cache = new GraphCache<string>({ maxBytes: 100, maxEntries: 10 });
    expect(await cache.get("a", sized("A"))).toBe("A");
    expect(await cache.get("a", unexpected)).toBe("A");
    expect(cache.has("a")).toBe(true);
  });

  it("lets those who ask at the same time share one making", async () => {
    const cache = new GraphCache<object>({ maxBytes: 100, maxEntries: 10 });
    let made = 0;
    const make = async () => ({ value: { made: ++made }, bytes: 1 });
    const all = await Promise.all(Array.from({ length: 20 }, () => cache.get("a", make)));
    expect(new Set(all).size).toBe(1);
    expect(made).toBe(1);
  });

  it("forgets a failure, and tells it to all who asked", async () => {
    const cache = new GraphCache<string>({ maxBytes: 100, maxEntries: 10 });
    const failing = () => Promise.reject(new Error("no"));
    const both = await Promise.allSettled([cache.get("a", failing), cache.get("a", unexpected)]);
    expect(both.map((each) => each.status === "rejected" && each.reason.message)).toEqual(["no", "no"]);
    expect(await cache.get("a", sized("A"))).toBe("A");
  });

  it("drops what was used longest ago when there are too many bytes", async () => {
    const cache = new GraphCache<string>({ maxBytes: 30, maxEntries: 10 });
    for (const key of ["a", "b", "c"]) await cache.get(key, sized(key));
    await cache.get("a", unexpected);
    await cache.get("d", sized("d"));
    expect(["a", "b", "c", "d"].filter((key) => cache.has(key))).toEqual(["a", "c", "d"]);
  });

  it("drops what was used longest ago when there are too many entries", async () => {
    const cache = new GraphCache<string>({ maxBytes: 1_000, maxEntries: 2 });
    for (const key of ["a", "b", "c"]) await cache.get(key, sized(key));
    expect(["a", "b", "c"].filter((key) => cache.has(key))).toEqual(["b", "c"]);
  });

  it("keeps its count right over many rounds", async () => {
    const cache = new GraphCache<string>({ maxBytes: 50, maxEntries: 100 });
    for (let i = 0; i < 1_000; i++) await cache.get(`${i % 37}`, sized("x", 1 + (i % 9)));
    expect(cache.size).toBeGreaterThan(5);
    expect(cache.size).toBeLessThanOrEqual(50);
    await cache.get("big", sized("big", 50));
    expect(cache.size).toBe(1);
  });

  it("hands out what is too big to keep", async () => {
    const cache = new GraphCache<string>({ maxBytes: 5, maxEntries: 10 });
    expect(await cache.get("a", sized("A", 6))).toBe("A");
    expect(cache.size).toBe(0);
  });
});
