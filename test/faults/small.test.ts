import { describe, expect, it } from "vitest";
import { scenarios } from "./scenarios.ts";

/** The fault suite in its smallest edition; `npm run faults` plays it at its usual size. */
describe("whatever dies", () => {
  it.each(scenarios)("$id $title", { timeout: 400_000 }, async ({ run }) => {
    const said: string[] = [];

    const figures = await run("small", (line) => said.push(line));

    const missed = figures.filter((figure) => !figure.ok);
    expect(missed, said.join("\n")).toEqual([]);
  });
});
