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
    const [before, after, later] = await lab.stories([
      { graph: "sequence", attempts: [{ dies: { saver: "put", nth: 1, when: "before" } }, {}] },
      { graph: "sequence", attempts: [{ dies: { saver: "put", nth: 1, when: "after" } }, {}] },
      { graph: "sequence", attempts: [{ dies: { step: "one", when: "after" } }, {}] },
    ]);

    expect(before?.calls.put).toBe(5); // the input's, the start's and one for each step
    expect(after?.calls.put).toBe(5); // made, but nothing had come of it yet
    expect(later?.calls.put).toBe(3);
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
  const open = async (query: Database["query"]) => {
    const { runId, jobId } = await aRun(lab.db);
    const saver = new RunSaver({ ...lab.db, query }, { runId, attempt: 1, jobId });
    const checkpoint = { ...emptyCheckpoint(), id: randomUUID() };
    const thread = { thread_id: jobId, checkpoint_ns: "" };
    const put = () =>
      saver.put({ configurable: thread }, checkpoint, { source: "loop", step: 0, parents: {} }, {});
    const finish = (task = randomUUID()) =>
      saver.putWrites({ configurable: { ...thread, checkpoint_id: checkpoint.id } }, [["n", 1]], task);
    const stored = async () => {
      const ids = await lab.db.query("stored", "select 1 from checkpoints where thread_id = $1", [jobId]);
      const writes = await lab.db.query("w", "select 1 from checkpoint_writes where thread_id = $1", [jobId]);
      return [ids.length, writes.length];
    };
    return { saver, put, finish, stored };
  };

  it("are stored together, though LangGraph hands over both at once", async () => {
    const asked: string[] = [];
    const { put, finish, stored } = await open((name, text, values) => {
      asked.push(name);
      return lab.db.query(name, text, values);
    });

    await Promise.all([put(), finish()]);

    expect(asked).toEqual(["saver-writes-carrying"]);
    expect(await stored()).toEqual([1, 1]);
  });

  it("go before the results of its siblings, also when they come while it is on its way", async () => {
    const done: string[] = [];
    const { put, finish } = await open(async (name, text, values) => {
      if (name.endsWith("-carrying")) await delay(30);
      const rows = await lab.db.query(name, text, values);
      done.push(name);
      return rows as never[];
    });
    await put();

    await Promise.all([finish(), finish(), finish()]);

    expect(done).toEqual(["saver-writes-carrying", "saver-writes", "saver-writes"]);
  });

  it("are both tried again by the next write when the database was away", async () => {
    let failures = 1;
    const { saver, put, finish, stored } = await open((name, text, values) => {
      if (failures-- > 0) return Promise.reject(Object.assign(new Error("gone"), { code: "57P01" }));
      return lab.db.query(name, text, values);
    });
    await put();

    await expect(finish()).rejects.toThrow("gone");
    expect([await stored(), saver.writes]).toEqual([[0, 0], 0]);
    await finish();

    expect([await stored(), saver.writes]).toEqual([[1, 1], 1]);
  });

  it("need not come together where a step takes long: the checkpoint is written after a moment", async () => {
    const { saver, put, stored } = await open((name, text, values) => lab.db.query(name, text, values));
    await put();

    await expect.poll(stored).toEqual([1, 0]);
    expect(saver.writes).toBe(1);
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
