import { describe, expect, it } from "vitest";
import { didYouMean, nearMiss } from "../src/errors/near-miss.ts";

describe("a near miss", () => {
  it.each([
    ["serch", "search"],
    ["seacrh", "search"],
    ["serachh", "search"],
    ["system_promt", "system_prompt"],
    ["Search", "search"],
    ["opnai", "openai"],
  ])("takes %s for %s", (word, meant) => {
    expect(nearMiss(word, ["lookup", meant, "tools"])).toBe(meant);
  });

  it.each(["weather", "s", "", "sea", "research_assistant", "x".repeat(10_000)])(
    "does not take %.20s for search",
    (word) => {
      expect(nearMiss(word, ["search"])).toBeUndefined();
    },
  );

  it("counts swapped neighbours as one slip", () => {
    expect(nearMiss("nmae", ["game", "name"])).toBe("name");
  });

  it("takes the nearest, and the first of equally near ones", () => {
    expect(nearMiss("reader", ["readers_", "reader_", "reade"])).toBe("reader_");
  });

  it("does not offer a short word for another short word", () => {
    expect(nearMiss("to", ["from", "id", "as"])).toBeUndefined();
  });

  it("stands at the end of a message, or says nothing", () => {
    expect(didYouMean("serch", ["search"])).toBe(' (did you mean "search"?)');
    expect(didYouMean("weather", ["search"])).toBe("");
  });
});
