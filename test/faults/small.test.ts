import { describe, expect, it } from "vitest";
import { scenarios } from "./scenarios.ts";
import { fromPostgres } from "./t04-partition.ts";
import { unfencedEdition } from "./unfenced-edition.ts";

/**
 * The fault suite in its smallest edition; `npm run faults` plays it at its usual size. Version skew
 * is played only there: it builds an older edition, which takes the history of the repository.
 */
const playable = scenarios.filter(({ id }) => id !== "T15");

describe("whatever dies", () => {
  it.each(playable)("$id $title", { timeout: 400_000 }, async ({ run }) => {
    const said: string[] = [];

    const figures = await run("small", (line) => said.push(line));

    const missed = figures.filter((figure) => !figure.ok);
    expect(missed, said.join("\n")).toEqual([]);
  });

  it.each(["held", "stalled"] as const)(
    "is seen to go wrong without the fence: %s",
    { timeout: 120_000 },
    async (gap) => {
      const entry = await unfencedEdition();

      const figures = await fromPostgres(gap, "small", () => undefined, entry);

      const missed = figures.filter((figure) => !figure.ok);
      console.log(missed);
      expect(missed).not.toEqual([]);
    },
  );
});
