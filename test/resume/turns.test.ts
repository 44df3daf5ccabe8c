import { randomUUID } from "node:crypto";
import { emptyCheckpoint } from "@langchain/langgraph-checkpoint";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { RunSaver } from "../../src/checkpoints/run-saver.ts";
import { type OpenPort, ports } from "../support/ports.ts";
import { aRun } from "../support/runs.ts";
import { type Laboratory, one, openLaboratory } from "./laboratory.ts";
import type { Attempt } from "./plan.ts";
import type { Story } from "./story.ts";

vi.setConfig({ testTimeout: 60_000 }); // tests that run at once share the processes of all their runs

let lab: Laboratory;
beforeAll(async () => {
  lab = await openLaboratory();
});
afterAll(() => lab.close());

const killedOnce: Attempt[] = [{ dies: { step: "two", when: "after" } }, {}];

const breakable = (said: string) => ({ graph: "breakable", input: { log: [said] } });

/** A turn of a job: "break" among the input makes it fail. */
async function turn(
  jobId: string,
  seq: number,
  said: string,
  head?: string,
  attempts: Attempt[] = [{}],
): Promise<Story> {
  const which = { jobId, seq, ...(head !== undefined && { head }) };
  return one(await lab.stories([{ graph: "breakable", attempts, turn: which, input: { log: [said] } }]));
}

describe.concurrent("a turn after a failed one", () => {
  it("sees the last completed turn and nothing of the failed one, also when it is killed", async () => {
    const jobId = randomUUID();
    const first = await turn(jobId, 1, "1st");
    const second = await turn(jobId, 2, "break", first.head);

    const third = await turn(jobId, 3, "3rd", first.head, killedOnce);

    expect(second.error).toContain("broken");
    expect(third.state).toEqual({ log: ["1st", "one", "two", "3rd", "one", "two"] });
    expect(third.ran).toEqual({ one: 1, two: 2 });
  });

  it("begins from nothing when no turn was completed yet, wherever it is cut", async () => {
    const jobs = [1, 2].flatMap((nth) =>
      (["before", "after"] as const).map((when) => ({
        jobId: randomUUID(),
        dies: { saver: "put", nth, when } as const,
      })),
    );
    const failed = await lab.stories(
      jobs.map(({ jobId }) => ({ ...breakable("break"), attempts: [{}], turn: { jobId, seq: 1 } })),
    );

    const next = await lab.stories(
      jobs.map(({ jobId, dies }) => ({
        ...breakable("2nd"),
        attempts: [{ dies }, {}],
        turn: { jobId, seq: 2 },
      })),
    );

    for (const story of failed) expect(story.error).toContain("broken");
    for (const story of next) expect(story.state).toEqual({ log: ["2nd", "one", "two"] });
    expect(await checkpointsOf(failed.map(({ runId }) => runId))).toBe(0);
  });

  it("is not begun anew by an attempt that finds its first checkpoint, nor with another run's state", async () => {
    const jobId = randomUUID();
    const first = await turn(jobId, 1, "1st");

    const second = await turn(jobId, 2, "2nd", first.head, [
      { dies: { saver: "put", nth: 1, when: "before" } },
      { dies: { saver: "put", nth: 1, when: "after" } },
      {},
    ]);

    expect(second.state).toEqual({ log: ["1st", "one", "two", "2nd", "one", "two"] });
    expect(second.ran).toEqual({ one: 1, two: 1 });
  });
});

describe.concurrent("a process whose clock is an hour behind", () => {
  it("takes a run over and goes on, and the next turn begins at its end", async () => {
    const jobId = randomUUID();
    const late: Attempt = { clockHours: -1 };
    const first = await turn(jobId, 1, "1st", undefined, [{ dies: { step: "two", when: "before" } }, late]);
    const second = await turn(jobId, 2, "2nd", first.head);

    const third = await turn(jobId, 3, "3rd", second.head, [
      { ...late, dies: { step: "two", when: "after" } },
      {},
    ]);

    expect(first.ran).toEqual({ one: 1, two: 1 });
    const turns = ["1st", "2nd", "3rd"].flatMap((said) => [said, "one", "two"]);
    expect(third.state).toEqual({ log: turns });
    expect(third.ran).toEqual({ one: 1, two: 2 });
  });

  it.each(["sequence", "subGraph"])(
    "is cut in turn, and the next one goes on from its steps, in %s",
    async (graph) => {
      const [second, third] = graph === "sequence" ? ["two", "three"] : ["y", "z"];
      const story = await lab.story(
        graph,
        { dies: { step: second, when: "after" } },
        { clockHours: -1, dies: { step: third, when: "after" } },
        {},
      );

      expect(story.repeated).toEqual([]);
      expect(story.ran).toMatchObject({ [second]: 2, [third]: 2 });
    },
  );
});

describe.concurrent("a clock that jumps back by an hour within an attempt", () => {
  it.each([
    ["sequence", "one", "three"],
    ["subGraph", "x", "z"],
  ])("leads the next attempt of %s to no older checkpoint", async (graph, jumpsAfter, cut) => {
    const dies = { step: cut, when: "after" } as const;
    const story = await lab.story(graph, { clockJumpsAfter: jumpsAfter, dies }, {});

    expect(story.repeated).toEqual([]);
    expect(Object.values(story.ran).toSorted()).toEqual(graph === "sequence" ? [1, 1, 2] : [1, 1, 1, 1, 2]);
  });
});

describe.each(ports)("the checkpoints of a sub-graph on $name", ({ open }) => {
  let port: OpenPort;
  beforeAll(async () => {
    port = await open();
  });
  afterAll(() => port.close());

  const put = (saver: RunSaver, jobId: string, ns: string, id: string, step: number) =>
    saver.put(
      { configurable: { thread_id: jobId, checkpoint_ns: ns } },
      { ...emptyCheckpoint(), id },
      { source: "loop", step, parents: {} },
      {},
    );
  const newest = async (saver: RunSaver, jobId: string, ns: string) =>
    (await saver.getTuple({ configurable: { thread_id: jobId, checkpoint_ns: ns } }))?.checkpoint.id;

  it("are read by attempt and step, whatever the clocks said that made their ids", async () => {
    const { runId, jobId } = await aRun(port.db);
    const first = new RunSaver(port.db, { runId, attempt: 1, jobId });
    await put(first, jobId, "inner:task", "8", 1);
    await put(first, jobId, "inner:task", "7", 2);
    const jumped = await newest(first, jobId, "inner:task");
    await port.db.query("second", "update runs set attempt = 2 where run_id = $1", [runId]);
    const second = new RunSaver(port.db, { runId, attempt: 2, jobId });
    await put(second, jobId, "inner:task", "1", 3);

    expect(jumped).toBe("7");
    expect(await newest(second, jobId, "inner:task")).toBe("1");
    expect(await newest(second, jobId, "inner:other")).toBeUndefined();
  });

  it("are those of an earlier run only where a sub-graph keeps its state, until it has some of its own", async () => {
    const earlier = await aRun(port.db);
    const { jobId } = earlier;
    const before = new RunSaver(port.db, { ...earlier, attempt: 1 });
    for (const ns of ["memory", "inner:task"]) await put(before, jobId, ns, "5", 1);
    await port.db.query("done", "update runs set status = 'completed' where run_id = $1", [earlier.runId]);
    const { runId } = await aRun(port.db, jobId);
    const saver = new RunSaver(port.db, { runId, attempt: 1, jobId });

    const begun = [await newest(saver, jobId, "memory"), await newest(saver, jobId, "inner:task")];
    await put(saver, jobId, "memory", "3", 2);

    expect(begun).toEqual(["5", undefined]);
    expect(await newest(saver, jobId, "memory")).toBe("3");
  });
});

async function checkpointsOf(runIds: string[]): Promise<number> {
  const rows = await lab.db.query(
    "checkpoints-of",
    "select 1 from checkpoints where metadata ->> 'run_id' = any($1)",
    [runIds],
  );
  return rows.length;
}
