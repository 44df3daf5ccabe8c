import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { emptyCheckpoint } from "@langchain/langgraph-checkpoint";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { RunSaver } from "../../src/checkpoints/run-saver.ts";
import type { Database } from "../../src/postgres/database.ts";
import { aRun } from "../support/runs.ts";
import { expectTheSameEnd, repeats } from "./expectations.ts";
import { cutEverywhere, type Laboratory, openLaboratory } from "./laboratory.ts";

vi.setConfig({ testTimeout: 60_000 }); // tests that run at once share the processes of all their runs

let lab: Laboratory;
beforeAll(async () => {
  lab = await openLaboratory();
});
afterAll(() => lab.close());

describe.concurrent.each(["sequence", "branches", "sends"])("a run of %s that is killed", (graph) => {
  it("ends as if left alone, wherever it is cut, once or twice, and repeats nothing committed", async () => {
    const everywhere = await cutEverywhere(lab, graph);

    expectTheSameEnd(everywhere);
    expect(repeats(everywhere)).toEqual([]);
  });
});

describe.concurrent("a sequence of steps", () => {
  it("runs the step again that was cut behind its effect, and no other", async () => {
    const story = await lab.story("sequence", { dies: { step: "two", when: "after" } }, {});

    expect(story.ran).toEqual({ one: 1, two: 2, three: 1 });
    expect(new Set(story.effects.map(({ pid }) => pid)).size).toBe(2);
    expect(story.state).toEqual({ log: ["one", "two", "three"] });
  });

  it("begins anew when it was cut before its first checkpoint was committed", async () => {
    const [before, after] = await lab.stories([
      { graph: "sequence", attempts: [{ dies: { saver: "put", nth: 1, when: "before" } }, {}] },
      { graph: "sequence", attempts: [{ dies: { saver: "put", nth: 1, when: "after" } }, {}] },
    ]);

    expect(before?.calls.put).toBe(5); // the input's, the start's and one for each step
    expect(after?.calls.put).toBe(4);
    for (const story of [before, after]) expect(story?.ran).toEqual({ one: 1, two: 1, three: 1 });
  });

  it("runs nothing when all its steps were committed, and has the whole state", async () => {
    const story = await lab.story("sequence", { dies: { saver: "put", nth: 5, when: "after" } }, {}, {});

    expect(story.ran).toEqual({ one: 1, two: 1, three: 1 });
    expect(story.state).toEqual({ log: ["one", "two", "three"] });
    expect(story.calls).toEqual({ put: 0, putWrites: 0 });
    expect(story.head).toBeDefined();
  });

  it("takes over results whose step was cut before its checkpoint", async () => {
    const dies = { saver: "put", nth: 4, when: "before", committed: 3 } as const;
    const story = await lab.story("sequence", { dies }, {});

    expect(story.ran).toEqual({ one: 1, two: 1, three: 1 });
  });
});

describe.concurrent("steps at the same time", () => {
  it("keep the branch that was committed, run the cut one again, and begin the one not begun", async () => {
    const cut = { dies: { step: "b", when: "after", committed: 3 }, waits: ["c"] } as const;
    const story = await lab.story("branches", cut, {});

    expect(story.ran).toEqual({ fork: 1, a: 1, b: 2, c: 1, join: 1 });
    expect(story.state).toEqual({ log: ["fork", "a", "b", "c", "join"] });
  });

  it("keep the sends that were committed: two of four, each with the same node", async () => {
    const story = await lab.story(
      "sends",
      { dies: { step: "item 2", when: "after", committed: 4 }, hangs: ["item 3"] },
      { dies: { step: "item 3", when: "before" }, waits: ["item 2"] },
      {},
    );

    expect(story.ran).toEqual({ plan: 1, "item 0": 1, "item 1": 1, "item 2": 2, "item 3": 2, sum: 1 });
    expect(story.state).toEqual({ log: ["plan", "item 0", "item 1", "item 2", "item 3", "sum"] });
  });

  it("are dropped without a word when only one may run at a time, so nobody may ask for that", async () => {
    const [one, two] = await lab.stories([
      { graph: "branches", attempts: [{ maxConcurrency: 1 }] },
      { graph: "branches", attempts: [{ maxConcurrency: 2 }] },
    ]);

    expect(one).toMatchObject({ ran: { fork: 1, a: 1 }, state: { log: ["fork"] }, interrupts: [] });
    expect(two?.state).toEqual({ log: ["fork", "a", "b", "c", "join"] });
  });
});

describe.concurrent("the checkpoint before a step", () => {
  it.each(["sequence", "subGraph", "wideSubGraph"])(
    "is committed when the step begins, in %s",
    async (graph) => {
      const story = await lab.story(graph, { slowSaverMs: 20 });

      expect(story.effects.map(({ info }) => info.unanswered.put)).toEqual(story.effects.map(() => 0));
    },
  );

  it("may be under way when the first task of a functional graph begins: cut there, it is another task", async () => {
    const story = await lab.story(
      "functional",
      { slowSaverMs: 60_000, dies: { step: "work 1", when: "after" } },
      { dies: { step: "work 2", when: "after", committed: 1 } },
      {},
    );

    expect(story.ran).toEqual({ "work 1": 2, "work 2": 2 });
    expect(story.effects[0]?.info.unanswered.put).toBe(1);
    const tasks = (step: string) =>
      new Set(story.effects.filter((effect) => effect.step === step).map(({ info }) => info.task)).size;
    expect([tasks("work 1"), tasks("work 2")]).toEqual([2, 1]);
  });
});

describe("a result and the checkpoint of its task", () => {
  it("are stored in that order, though LangGraph hands over both at once", async () => {
    const { runId, jobId } = await aRun(lab.db);
    const order: string[] = [];
    const slow: Database = {
      ...lab.db,
      query: async (name, text, values) => {
        if (name === "saver-put") await delay(20);
        order.push(name);
        return await lab.db.query(name, text, values);
      },
    };
    const saver = new RunSaver(slow, { runId, attempt: 1, jobId });
    const checkpoint = emptyCheckpoint();
    const thread = { thread_id: jobId, checkpoint_ns: "" };

    await Promise.all([
      saver.put({ configurable: thread }, checkpoint, { source: "input", step: -1, parents: {} }, {}),
      saver.putWrites(
        { configurable: { ...thread, checkpoint_id: checkpoint.id } },
        [["n", 1]],
        randomUUID(),
      ),
    ]);

    expect(order).toEqual(["saver-put", "saver-writes"]);
  });
});

describe.concurrent("a step that fails and is tried again by the next attempt", () => {
  it("leaves its finished sibling alone, but cuts one that is at work", async () => {
    const [late, early] = await lab.stories([
      { graph: "branchFailsLate", attempts: [{}, {}] },
      { graph: "branchFailsEarly", attempts: [{}, {}] },
    ]);

    expect(late?.ran).toEqual({ good: 1, bad: 2, join: 1 });
    expect(early?.ran).toEqual({ good: 2, bad: 2, join: 1 });
    for (const story of [late, early]) expect(story?.state).toMatchObject({ log: ["bad", "good", "join"] });
  });

  it("runs again when its conditional edge failed: its results are not taken for those of a finished step", async () => {
    const story = await lab.story("edgeFails", {}, {});

    expect(story.ran).toEqual({ one: 2, two: 1 });
    expect(story.state).toEqual({ log: ["one", "two"] });
  });
});
