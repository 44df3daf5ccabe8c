import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { expectTheSameEnd, repeats } from "./expectations.ts";
import { cutEverywhere, type Laboratory, openLaboratory } from "./laboratory.ts";
import type { Place } from "./plan.ts";

vi.setConfig({ testTimeout: 60_000 }); // tests that run at once share the processes of all their runs

let lab: Laboratory;
beforeAll(async () => {
  lab = await openLaboratory();
});
afterAll(() => lab.close());

const aroundEffects = { times: 1, only: (place: Place) => "step" in place } as const;

describe.concurrent("a run that is killed inside a sub-graph", () => {
  it("goes on inside: finished steps of the sub-graph do not run again", async () => {
    const story = await lab.story("subGraph", { dies: { step: "y", when: "after" } }, {});

    expect(story.ran).toEqual({ before: 1, x: 1, y: 2, z: 1, after: 1 });
    expect(story.repeated).toEqual([]);
  });

  it("runs nothing of a sub-graph that had finished, although its node had not", async () => {
    const inner = { saver: "put", nth: 8, when: "after" } as const; // behind z
    const story = await lab.story("subGraph", { dies: inner }, {});

    expect(story.ran).toEqual({ before: 1, x: 1, y: 1, z: 1, after: 1 });
  });

  it("ends as if left alone, wherever it is cut, once or twice, each call under the key it had", async () => {
    const everywhere = await cutEverywhere(lab, "subGraph");

    expectTheSameEnd(everywhere);
    const repeated = everywhere.cut.flatMap(({ story }) => story.repeated);
    expect(["before", "after"].filter((outer) => repeated.includes(outer))).toEqual([]);
  });

  it.each(["sentSubGraphs", "calledTwice", "calledAtOnce"])("ends as if left alone in %s", async (graph) => {
    const everywhere = await cutEverywhere(lab, graph, aroundEffects);

    expectTheSameEnd(everywhere);
    expect(repeats(everywhere)).toEqual([]);
  });

  it("goes on in each of three sub-graphs that were sent for, from where it was", async () => {
    const story = await lab.story(
      "sentSubGraphs",
      { dies: { step: "y 1", when: "after", committed: 8 }, waits: ["x 2"] },
      {},
    );

    const finished = { "x 0": 1, "y 0": 1, "x 1": 1 };
    expect(story.ran).toEqual({ plan: 1, ...finished, "y 1": 2, "x 2": 1, "y 2": 1, sum: 1 });
  });

  it("goes on in the second of two sub-graphs that one node calls, and runs the node's own code again", async () => {
    const story = await lab.story("calledTwice", { dies: { step: "y 2", when: "after" } }, {});

    expect(story.ran).toEqual({ "x 1": 1, "y 1": 1, between: 2, "x 2": 1, "y 2": 2, after: 1 });
  });
});

/** langchain-ai/langgraphjs#2667. When these fail, the remedy below is no longer needed. */
describe.concurrent("what LangGraph repeats in a sub-graph although it is committed", () => {
  it("is a branch whose sibling was cut, while a graph that is no sub-graph keeps it", async () => {
    const cut = { dies: { step: "b", when: "after", committed: 5 }, waits: ["c"] } as const;
    const story = await lab.story("wideSubGraph", cut, {});

    expect(story.repeated).toEqual(["a"]);
    expect(story.ran).toEqual({ before: 1, w: 1, a: 2, b: 2, c: 1, after: 1 });
  });

  it("is a step that was cut between its result and the next checkpoint", async () => {
    const dies = { saver: "put", nth: 7, when: "before", committed: 5 } as const; // behind y
    const story = await lab.story("subGraph", { dies }, {});

    expect(story.repeated).toEqual(["y"]);
  });

  it("bears the same key again, so a journal of calls has its result", async () => {
    const beforePuts = (place: Place) => "saver" in place && place.saver === "put" && place.when === "before";
    expectTheSameEnd(await cutEverywhere(lab, "wideSubGraph", { only: beforePuts }));
  });
});

describe.concurrent("a sub-graph that is called without the key checkpoint_id in its config", () => {
  it("repeats nothing committed, wherever it is cut, once or twice", async () => {
    const everywhere = await cutEverywhere(lab, "wideSubGraphKept");

    expectTheSameEnd(everywhere);
    expect(repeats(everywhere)).toEqual([]);
  });
});
