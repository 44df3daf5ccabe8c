import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Journal } from "../../src/checkpoints/journal.ts";
import { RunWriter } from "../../src/checkpoints/run-writer.ts";
import type { Database } from "../../src/postgres/database.ts";
import { freshDatabase } from "../support/databases.ts";
import { ports, serverPort } from "../support/ports.ts";
import { aRun } from "../support/runs.ts";
import { sharedDatabase } from "../support/shared.ts";
import { until } from "../support/wait.ts";

const key = (changes: object = {}) => ({
  task: `tools:${randomUUID()}:call_1`,
  slot: 0,
  digest: "d",
  ...changes,
});

/** A later attempt of the run, as after a takeover. */
async function nextAttempt(db: Database, runId: string): Promise<Journal> {
  const [row] = await db.query<{ attempt: number }>(
    "take-over",
    "update runs set attempt = attempt + 1 where run_id = $1 returning attempt",
    [runId],
  );
  return new Journal(new RunWriter(db, { runId, attempt: row?.attempt ?? 0 }));
}

describe.each(ports)("the journal of a run on $name", ({ open }) => {
  const db = sharedDatabase(open);

  async function aJournal(): Promise<{ journal: Journal; runId: string }> {
    const { runId } = await aRun(db);
    return { journal: new Journal(new RunWriter(db, { runId, attempt: 1 })), runId };
  }

  it("knows nothing of a new call, and remembers that it was begun", async () => {
    const { journal, runId } = await aJournal();
    const call = key();

    expect(await journal.begin(call)).toEqual({ state: "fresh" });

    const later = await nextAttempt(db, runId);
    expect(await later.begin(call)).toEqual({ state: "unknown" });
    expect(await (await nextAttempt(db, runId)).begin(call)).toEqual({ state: "unknown" });
  });

  it.each(['{"content":"x"}', "", "null", 'a\\u0000"\n日本', "x".repeat(300_000)])(
    "gives back the outcome of a call that has ended (%#)",
    async (outcome) => {
      const { journal, runId } = await aJournal();
      const [write, read] = [key(), key()];
      await journal.begin(write);
      await journal.finish(write, outcome);
      expect(await journal.find(read)).toEqual({ state: "fresh" });
      await journal.finish(read, outcome);

      const later = await nextAttempt(db, runId);

      expect(await later.begin(write)).toEqual({ state: "done", outcome });
      expect(await later.find(read)).toEqual({ state: "done", outcome });
    },
  );

  it("keeps the first outcome", async () => {
    const { journal, runId } = await aJournal();
    const call = key();
    await journal.begin(call);
    await journal.finish(call, "first");
    await journal.finish(call, "second");
    expect(await (await nextAttempt(db, runId)).begin(call)).toEqual({ state: "done", outcome: "first" });
  });

  it("tells calls apart by run, task, slot and digest", async () => {
    const { journal, runId } = await aJournal();
    const call = key();
    await journal.begin(call);
    const later = await nextAttempt(db, runId);
    for (const other of [{ task: "t" }, { slot: 1 }, { digest: "e" }]) {
      expect(await later.begin({ ...call, ...other })).toEqual({ state: "fresh" });
    }
    const { journal: ofOther } = await aJournal();
    expect(await ofOther.begin(call)).toEqual({ state: "fresh" });
  });

  it("forgets a call that is taken back, unless it has ended", async () => {
    const { journal, runId } = await aJournal();
    const [cut, ended] = [key(), key()];
    await journal.begin(cut);
    await journal.withdraw(cut);
    await journal.begin(ended);
    await journal.finish(ended, "x");
    await journal.withdraw(ended);

    const later = await nextAttempt(db, runId);

    expect(await later.begin(cut)).toEqual({ state: "fresh" });
    expect(await later.begin(ended)).toEqual({ state: "done", outcome: "x" });
  });

  it("refuses an attempt that was taken over, whatever it wants, and writes nothing for it", async () => {
    const { journal, runId } = await aJournal();
    const begun = key();
    await journal.begin(begun);
    const later = await nextAttempt(db, runId);
    const beforeLater = new Journal(new RunWriter(db, { runId, attempt: 2 }));
    await nextAttempt(db, runId);

    const lost = { code: "lease_lost" };
    await expect(journal.begin(key())).rejects.toMatchObject(lost);
    await expect(journal.finish(begun, "x")).rejects.toMatchObject(lost);
    await expect(journal.withdraw(begun)).rejects.toMatchObject(lost);
    await expect(later.find(begun)).rejects.toMatchObject(lost);
    await expect(beforeLater.finish(key(), "x")).rejects.toMatchObject(lost);
    const rows = await db.query("rows", "select task, state from journal where run_id = $1", [runId]);
    expect(rows).toEqual([{ task: begun.task, state: "intent" }]);
  });

  it("refuses a run that is not running", async () => {
    const { journal, runId } = await aJournal();
    await db.query("cancelled", "update runs set status = 'cancelled' where run_id = $1", [runId]);
    await expect(journal.begin(key())).rejects.toMatchObject({ code: "lease_lost" });
  });

  it("takes one statement for each step, and none to look for reads of attempts that were never made", async () => {
    const { runId } = await aRun(db);
    const asked: string[] = [];
    const counting: Database = {
      ...db,
      query: (name, text, values) => {
        asked.push(name);
        return db.query(name, text, values);
      },
    };
    const journal = new Journal(new RunWriter(counting, { runId, attempt: 1 }));
    const [write, read] = [key(), key()];

    await journal.begin(write);
    await journal.finish(write, "x");
    await journal.find(read);
    await journal.finish(read, "x");

    expect(asked).toEqual(["journal-begin", "journal-finish", "journal-finish"]);
  });

  it("writes an outcome down once the database is back", async () => {
    const { journal: usual, runId } = await aJournal();
    let failures = 2;
    const failing: Database = {
      ...db,
      query: (name, text, values) => {
        if (name === "journal-finish" && failures-- > 0) {
          return Promise.reject(Object.assign(new Error("shutting down"), { code: "57P01" }));
        }
        return db.query(name, text, values);
      },
    };
    const journal = new Journal(new RunWriter(failing, { runId, attempt: 1 }));
    const call = key();
    await usual.begin(call);

    await journal.finish(call, "x");

    expect(await (await nextAttempt(db, runId)).begin(call)).toEqual({ state: "done", outcome: "x" });
  });
});

describe("a journal", () => {
  const without = new Journal(new RunWriter({} as Database, { runId: "r", attempt: 1 }));

  it("gives each call one idempotency key, the same in every attempt", () => {
    const call = key();
    const same = new Journal(new RunWriter({} as Database, { runId: "r", attempt: 7 }));
    const other = new Journal(new RunWriter({} as Database, { runId: "s", attempt: 1 }));
    expect(without.idempotencyKey(call)).toMatch(/^r:[0-9a-f]{32}$/);
    expect(same.idempotencyKey(call)).toBe(without.idempotencyKey(call));
    const others = [{ task: "t" }, { slot: 1 }, { digest: "e" }].map((each) => ({ ...call, ...each }));
    const keys = [call, ...others].map((each) => without.idempotencyKey(each));
    expect(new Set([...keys, other.idempotencyKey(call)]).size).toBe(5);
  });

  it("is quiet when its calls have ended, well or not, or when that takes too long", async () => {
    await without.quiet(60_000);
    let end = () => {};
    const ended = without.during(new Promise<void>((done) => (end = done)));
    const failed = without.during(new Promise((_, fail) => setTimeout(fail, 5, new Error("x"))));
    failed.catch(() => undefined);
    const quiet = without.quiet(60_000);
    end();
    await Promise.all([ended, quiet]);
    const never = without.during(new Promise(() => {}));
    await without.quiet(20);
    expect(never).toBeInstanceOf(Promise);
  });
});

/** On a server only: the embedded one has a single connection, so nothing can be in progress beside it. */
it("a call that meets a takeover waits for it and then is not made", async () => {
  await using database = await freshDatabase();
  const db = serverPort(database);
  const { runId } = await aRun(db);
  const zombie = new Journal(new RunWriter(db, { runId, attempt: 1 }));
  const waiting = "select 1 from pg_locks where not granted";

  let begun: Promise<unknown> = Promise.resolve();
  await db.transaction(async (tx) => {
    await tx.query("take-over", "update runs set attempt = attempt + 1 where run_id = $1", [runId]);
    begun = zombie.begin(key()).catch((error) => error);
    const waits = async () => (await tx.query("waiting", waiting)).length > 0;
    await until(waits, { what: "the old worker's statement to wait for the lock" });
  });

  expect(await begun).toMatchObject({ code: "lease_lost" });
  expect(await db.query("written", "select 1 from journal")).toEqual([]);
  await db.close();
});
