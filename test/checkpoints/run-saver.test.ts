import { randomUUID } from "node:crypto";
import { Annotation, MessagesAnnotation, StateGraph } from "@langchain/langgraph";
import { describe, expect, it } from "vitest";
import { RunSaver } from "../../src/checkpoints/run-saver.ts";
import type { Database } from "../../src/postgres/database.ts";
import { claimRuns } from "../../src/runs/claim.ts";
import { freshDatabase } from "../support/databases.ts";
import { ports, serverPort } from "../support/ports.ts";
import { aRun } from "../support/runs.ts";
import { sharedDatabase } from "../support/shared.ts";
import { until } from "../support/wait.ts";

const counter = new StateGraph(Annotation.Root({ n: Annotation<number>() }))
  .addNode("one", (state) => ({ n: (state.n ?? 0) + 1 }))
  .addNode("two", (state) => ({ n: (state.n ?? 0) + 10 }))
  .addEdge("__start__", "one")
  .addEdge("one", "two")
  .compile();

const within = (saver: RunSaver, jobId: string) => ({
  configurable: { thread_id: jobId, __pregel_checkpointer: saver },
  durability: "sync" as const,
});

describe.each(ports)("the saver of a run on $name", ({ open }) => {
  const db = sharedDatabase(open);

  it("writes the run and the attempt into the metadata of each checkpoint, and unique channel versions", async () => {
    const { runId, jobId } = await aRun(db);

    await counter.invoke({ n: 0 }, within(new RunSaver(db, { runId, attempt: 1, jobId }), jobId));

    const rows = await db.query<{ metadata: Record<string, unknown> }>(
      "metadata",
      "select metadata from checkpoints where thread_id = $1",
      [jobId],
    );
    expect(rows.length).toBeGreaterThanOrEqual(3);
    for (const { metadata } of rows) expect(metadata).toMatchObject({ run_id: runId, attempt: 1 });
    const versions = await db.query<{ version: string }>(
      "versions",
      "select version from checkpoint_blobs where thread_id = $1",
      [jobId],
    );
    expect(
      versions.every(({ version }) => /^\d{20}\./.test(version) && version.endsWith(`.${runId}.1`)),
    ).toBe(true);
  });

  it("refuses every write of an attempt that was taken over", async () => {
    const { runId, jobId } = await aRun(db);
    const zombie = new RunSaver(db, { runId, attempt: 1, jobId });
    await db.query("expire", "update runs set leased_until = now() - interval '1 second' where run_id = $1", [
      runId,
    ]);
    const claimed = await claimRuns(db, "other", 30, 100, true);
    expect(claimed).toContainEqual(expect.objectContaining({ runId, attempt: 2, failures: 1 }));

    await expect(counter.invoke({ n: 0 }, within(zombie, jobId))).rejects.toMatchObject({
      code: "lease_lost",
    });
    const writes = zombie.putWrites(
      { configurable: { thread_id: jobId, checkpoint_ns: "", checkpoint_id: "c" } },
      [["n", 1]],
      randomUUID(),
    );
    await expect(writes).rejects.toMatchObject({ code: "lease_lost" });
    await expect(zombie.forgetThread()).rejects.toMatchObject({ code: "lease_lost" });
    expect(await db.query("none", "select 1 from checkpoints where thread_id = $1", [jobId])).toEqual([]);
    expect(
      await db.query("nothing", "select 1 from checkpoint_writes where thread_id = $1", [jobId]),
    ).toEqual([]);
  });

  it("does not see what failed turns left behind, and keeps its own state apart from theirs", async () => {
    const { runId, jobId } = await aRun(db);
    const first = new RunSaver(db, { runId, attempt: 1, jobId });
    await counter.invoke({ n: 0 }, within(first, jobId));
    await first.statements.flush();
    const head = first.rootCheckpointId;
    const failed = new RunSaver(db, { runId, attempt: 1, jobId });
    await failed.beginFrom(head);
    await counter.invoke({ n: 500 }, within(failed, jobId));
    await failed.statements.flush();

    const next = new RunSaver(db, { runId, attempt: 1, jobId });
    const base = await next.beginFrom(head);

    expect(base?.checkpoint.channel_values["n"]).toBe(11);
    expect(await counter.invoke({ n: 1000 }, within(next, jobId))).toEqual({ n: 1011 });
  });

  it("finds the newest checkpoint of this run by attempt, not by the clock that made its id", async () => {
    const { runId, jobId } = await aRun(db);
    await counter.invoke({ n: 0 }, within(new RunSaver(db, { runId, attempt: 1, jobId }), jobId));
    await db.query("second", "update runs set attempt = 2 where run_id = $1", [runId]);
    // A process whose clock is far behind: its ids sort before all others.
    await db.query(
      "behind",
      `insert into checkpoints (thread_id, checkpoint_id, checkpoint, metadata)
       values ($1, '0-behind', '{}', jsonb_build_object('run_id', $2::text, 'attempt', 2))`,
      [jobId, runId],
    );

    expect(await new RunSaver(db, { runId, attempt: 2, jobId }).newestOfThisRun()).toBe("0-behind");
  });

  it("goes on from the run's own checkpoint without running a finished step again", async () => {
    const { runId, jobId } = await aRun(db);
    const ran: string[] = [];
    let dies = true;
    const graph = new StateGraph(MessagesAnnotation)
      .addNode("first", () => {
        ran.push("first");
        return { messages: [{ role: "ai" as const, content: "1" }] };
      })
      .addNode("second", () => {
        ran.push("second");
        if (dies) throw new Error("killed");
        return { messages: [{ role: "ai" as const, content: "2" }] };
      })
      .addEdge("__start__", "first")
      .addEdge("first", "second")
      .compile();
    const input = { messages: [{ role: "user" as const, content: "go" }] };
    await graph
      .invoke(input, within(new RunSaver(db, { runId, attempt: 1, jobId }), jobId))
      .catch(() => undefined);
    dies = false;
    await db.query("again", "update runs set attempt = 2 where run_id = $1", [runId]);

    const saver = new RunSaver(db, { runId, attempt: 2, jobId });
    await saver.beginFrom(await saver.newestOfThisRun());
    const state = await graph.invoke(null, within(saver, jobId));

    expect(ran).toEqual(["first", "second", "second"]);
    expect(state.messages.map((message) => message.content)).toEqual(["go", "1", "2"]);
  });

  it("takes one round trip for a step: its results, and the checkpoints that they follow from", async () => {
    const { runId, jobId } = await aRun(db);
    const asked: string[] = [];
    const counting: Database = {
      ...db,
      query: (name, text, values) => {
        asked.push(name);
        return db.query(name, text, values);
      },
    };

    const saver = new RunSaver(counting, { runId, attempt: 1, jobId });
    await counter.invoke({ n: 0 }, within(saver, jobId));
    expect(asked).toEqual(["saver-writes-carrying", "saver-writes-carrying"]);
    expect(saver.writes).toBe(3);

    const last = await saver.statements.takeOut();
    expect(last?.checkpoints.map(({ id }) => id)).toEqual([saver.rootCheckpointId]);
  });
});

/** On a server only: the embedded one has a single connection, so nothing can be in progress beside it. */
describe("a takeover that is not committed yet", () => {
  it("is waited for by the old worker's write, which then stops", async () => {
    await using database = await freshDatabase();
    const db = serverPort(database);
    const { runId, jobId } = await aRun(db);
    const zombie = new RunSaver(db, { runId, attempt: 1, jobId });
    const config = { configurable: { thread_id: jobId, checkpoint_ns: "", checkpoint_id: "c" } };
    const waiting = "select 1 from pg_locks where not granted";

    let written: Promise<unknown> = Promise.resolve();
    await db.transaction(async (tx) => {
      await tx.query("take-over", "update runs set attempt = attempt + 1 where run_id = $1", [runId]);
      written = zombie.putWrites(config, [["n", 1]], randomUUID()).catch((error) => error);
      const waits = async () => (await tx.query("waiting", waiting)).length > 0;
      await until(waits, { what: "the old worker's statement to wait for the lock" });
    });

    expect(await written).toMatchObject({ code: "lease_lost" });
    expect(await db.query("written", "select 1 from checkpoint_writes")).toEqual([]);
    await db.close();
  });
});
