import { describe, expect, it } from "vitest";
import type { Figure } from "./scenario.ts";
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

  it("is seen to go wrong without the fence", { timeout: 180_000 }, async () => {
    const entry = await unfencedEdition();
    const tries: Figure[][] = [];

    // Whether the old attempt writes after the new one is a matter of moments: it gets three chances.
    while (tries.length < 3 && !tries.some((figures) => figures.some(({ ok }) => !ok))) {
      tries.push(await fromPostgres("stalled", "small", () => undefined, entry));
    }

    const missed = tries.flat().filter(({ ok }) => !ok);
    expect(missed.map(({ what }) => what)).toContain(
      "Postgres stalled: checkpoints that an old attempt wrote after a newer one",
    );
  });
});
