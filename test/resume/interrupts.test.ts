import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Laboratory, openLaboratory } from "./laboratory.ts";
import type { Story } from "./story.ts";

vi.setConfig({ testTimeout: 60_000 }); // tests that run at once share the processes of all their runs

let lab: Laboratory;
beforeAll(async () => {
  lab = await openLaboratory();
});
afterAll(() => lab.close());

const heardYes = { dies: { step: "q heard yes", when: "after" } } as const;

describe.concurrent("a run that waits for a decision", () => {
  it("asks the same question by the same id when it is begun again with no decision", async () => {
    const first = await lab.story("ask", {});
    const second = await lab.story("ask", {}, {});

    expect(first.interrupts).toMatchObject([{ value: "q" }]);
    expect(second.interrupts).toMatchObject([{ value: "q" }]);
    expect(second.ran).toEqual({ before: 1, "q asks": 2 }); // what stands before the question runs again
  });

  it("keeps the id of its question over a kill", async () => {
    const dies = { step: "q asks", when: "after" } as const;
    const story = await lab.story("ask", {}, { dies, answers: { q: "yes" } }, { answers: { q: "yes" } });

    expect(story.state).toEqual({ log: ["before", "q heard yes", "after"] });
  });
});

describe.concurrent("a decision handed over by the id of its interrupt", () => {
  it("is lost when the node is cut before its result is committed, so it must be handed over again", async () => {
    const answers = { q: "yes" };
    const [not, again] = await lab.stories([
      { graph: "ask", attempts: [{}, { answers, ...heardYes }, {}] },
      { graph: "ask", attempts: [{}, { answers, ...heardYes }, { answers }] },
    ]);

    expect(not?.interrupts).toMatchObject([{ value: "q" }]);
    expect(again?.state).toEqual({ log: ["before", "q heard yes", "after"] });
    expect(again?.ran).toEqual({ before: 1, "q asks": 3, "q heard yes": 2, after: 1 });
  });

  it("is lost and handed over again inside a sub-graph too, which goes on where it was", async () => {
    const answers = { q: "yes" };
    const [not, again] = await lab.stories([
      { graph: "askInside", attempts: [{}, { answers, ...heardYes }, {}] },
      { graph: "askInside", attempts: [{}, { answers, ...heardYes }, { answers }] },
    ]);

    expect(not?.interrupts).toMatchObject([{ value: "q" }]);
    expect(again?.ran).toEqual({ x: 1, "q asks": 3, "q heard yes": 2, after: 1 });
  });

  it("answers nothing else when it comes again after it was consumed by another node", async () => {
    const dies = { step: "q2 asks", when: "after" } as const;
    const story = await lab.story(
      "askInTurn",
      {},
      { answers: { q1: "yes" }, dies },
      { answers: { q1: "yes" } },
    );

    expect(story.interrupts).toMatchObject([{ value: "q2" }]);
    expect(story.ran).toEqual({ "q1 asks": 2, "q1 heard yes": 1, "q2 asks": 2 });
  });

  it("may be false, or one of two", async () => {
    const [no, two, one] = await lab.stories([
      { graph: "ask", attempts: [{}, { answers: { q: false } }] },
      { graph: "askAtOnce", attempts: [{}, { answers: { left: "l", right: "r" } }] },
      { graph: "askAtOnce", attempts: [{}, { answers: { left: "l" } }, { answers: { right: "r" } }] },
    ]);

    expect(no?.state).toEqual({ log: ["before", "q heard false", "after"] });
    for (const story of [two, one])
      expect(story?.state).toEqual({ log: ["left heard l", "right heard r", "after"] });
    expect(one?.ran).toMatchObject({ "left heard l": 1, "right heard r": 1 });
  });
});

describe.concurrent("two questions of one node", () => {
  it("have one id, and the answers that were consumed stand beside the second question", async () => {
    const first = await lab.story("askTwice", {});
    const second = await lab.story("askTwice", {}, { answers: { q1: "1" } });

    const ids = async (story: Story) =>
      (await writesOf(story, "__interrupt__")).map(({ task_id }) => task_id);
    expect(second.interrupts).toMatchObject([{ value: "q2" }]);
    expect(await ids(first)).toHaveLength(1);
    expect(await writesOf(first, "__resume__")).toEqual([]);
    const consumed = await writesOf(second, "__resume__");
    expect(consumed).toContainEqual({ task_id: (await ids(second))[0], value: ["1"] });
  });

  it("are both answered when each answer is handed over once, and again after a kill", async () => {
    const dies = { step: "q2 heard 2", when: "after" } as const;
    const attempts = [{}, { answers: { q1: "1" } }, { answers: { q2: "2" }, dies }, { answers: { q2: "2" } }];
    const stories = await lab.stories([
      { graph: "askTwice", attempts },
      { graph: "askTwiceInside", attempts },
    ]);

    for (const story of stories) {
      expect(story.state).toEqual({ log: ["1", "2", "after"] });
      expect(story.ran).toEqual({ "q1 heard 1": 3, "q2 heard 2": 2, after: 1 });
    }
  });

  it("take the first answer for the second one when it is handed over again: nobody may", async () => {
    const story = await lab.story("askTwice", {}, { answers: { q1: "1" } }, { answers: { q1: "1" } });

    expect(story.state).toEqual({ log: ["1", "1", "after"] });
  });
});

describe.concurrent("a decision handed over plainly, without the id", () => {
  it("stays with the checkpoint: a run that is killed and begun again with nothing still has it", async () => {
    const story = await lab.story("ask", {}, { answer: "yes", ...heardYes }, {});

    expect(story.state).toEqual({ log: ["before", "q heard yes", "after"] });
  });

  it("answers the next question of the node as well, with no kill at all: nobody may hand over that way", async () => {
    const story = await lab.story("askTwice", {}, { answer: "1" }, {});

    expect(story.ran).toMatchObject({ "q2 heard 1": 1 });
    expect(story.state).toEqual({ log: ["1", "1", "after"] });
  });

  it("answers another node's question when it is handed over again", async () => {
    const dies = { step: "q2 asks", when: "after" } as const;
    const story = await lab.story("askInTurn", {}, { answer: "yes", dies }, { answer: "yes" });

    expect(story.state).toEqual({ log: ["q1 heard yes", "q2 heard yes"] });
  });

  it("must not be false", async () => {
    const story = await lab.story("ask", {}, { answer: false });

    expect(story.error).toContain("EmptyInputError");
  });
});

describe.concurrent("a step beside the question, in a sub-graph", () => {
  it("runs again when the decision comes, unless the sub-graph is called without the key checkpoint_id", async () => {
    const [plain, kept] = await lab.stories([
      { graph: "askBeside", attempts: [{}, { answers: { q: "yes" } }] },
      { graph: "askBesideKept", attempts: [{}, { answers: { q: "yes" } }] },
    ]);

    expect(plain?.repeated).toEqual(["a"]);
    expect(kept?.repeated).toEqual([]);
    for (const story of [plain, kept]) expect(story?.state).toEqual({ log: ["a", "q heard yes", "after"] });
  });
});

async function writesOf(story: Story, channel: string): Promise<{ task_id: string; value: unknown }[]> {
  const rows = await lab.db.query<{ task_id: string; value: string }>(
    "writes-of",
    `select task_id, convert_from(blob, 'utf8') as value from checkpoint_writes
      where thread_id = $1 and channel = $2`,
    [story.jobId, channel],
  );
  return rows.map(({ task_id, value }) => ({ task_id, value: JSON.parse(value) as unknown }));
}
