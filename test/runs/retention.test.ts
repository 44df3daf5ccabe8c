import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { deleteExpired } from "../../src/runs/retention.ts";
import { ports } from "../support/ports.ts";
import { sharedDatabase } from "../support/shared.ts";

const TABLES = [
  ...["jobs", "runs", "events", "outbox", "journal", "interrupts", "definitions"],
  ...["checkpoints", "checkpoint_blobs", "checkpoint_writes"],
];

describe.each(ports)("the retention on $name", ({ open }) => {
  const db = sharedDatabase(open);
  beforeEach(async () => {
    for (const table of TABLES) await db.query(`empty-${table}`, `truncate ${table} cascade`);
  });

  /** A job with a row in every table, as old as that. */
  async function aJob(days: number, over: { status?: string; delivered?: boolean; runDays?: number } = {}) {
    const { status = "completed", delivered = true, runDays = days } = over;
    const [job, run, hash] = [randomUUID(), randomUUID(), randomUUID()];
    const ask = (name: string, text: string, values: unknown[]) => db.query(`fill-${name}`, text, values);
    const ago = "now() - make_interval(days => $1)";
    await ask("definitions", `insert into definitions values ($2, '{}', ${ago})`, [days, hash]);
    await ask(
      "jobs",
      `insert into jobs (job_id, last_seq, definition_hash, created_at) values ($2, 1, $3, ${ago})`,
      [days, job, hash],
    );
    await ask(
      "runs",
      `insert into runs (run_id, job_id, seq, source, event_id, request, definition_hash, status, settled_at)
       values ($2::uuid, $3, 1, 'tests', $2::text, '{}', $4, $5, case when $5 <> 'waiting' then ${ago} end)`,
      [runDays, run, job, hash, status],
    );
    await ask("events", "insert into events values ('tests', $1::text, 'execute', $1::uuid)", [run]);
    await ask(
      "outbox",
      `insert into outbox (event_id, target, job_id, job_event_no, event, delivered_at)
       values ($2::uuid, 'sink', $3, 1, '{}', case when $4 then ${ago} end)`,
      [runDays, run, job, delivered],
    );
    await ask("journal", "insert into journal values ($1, 't', 0, 'd', 'done', '{}')", [run]);
    await ask(
      "interrupts",
      "insert into interrupts (interrupt_id, run_id, wait_no, graph_id) values ($1, $1, 1, 'g')",
      [run],
    );
    const thread = [job];
    await ask(
      "checkpoints",
      "insert into checkpoints (thread_id, checkpoint_ns, checkpoint_id, checkpoint) values ($1, '', '1', '{}')",
      thread,
    );
    await ask(
      "blobs",
      "insert into checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type) values ($1, '', 'c', '1', 'json')",
      thread,
    );
    await ask(
      "writes",
      `insert into checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob)
       values ($1, '', '1', 't', 0, 'c', 'json', '')`,
      thread,
    );
    return job;
  }
  const rowsLeft = async () => {
    const counts: Record<string, number> = {};
    for (const table of TABLES) {
      const [row] = await db.query<{ n: number }>(
        `n-${table}`,
        `select count(*)::integer as n from ${table}`,
      );
      counts[table] = Number(row?.n);
    }
    return counts;
  };
  const each = (n: number) => Object.fromEntries(TABLES.map((table) => [table, n]));

  it("deletes a finished job with all that belongs to it, and leaves a younger one whole", async () => {
    await aJob(8);
    const kept = await aJob(6);

    expect(await deleteExpired({ db, days: 7 })).toBe(1);

    expect(await rowsLeft()).toEqual(each(1));
    expect(await db.query("left", "select job_id from jobs")).toEqual([{ job_id: kept }]);
  });

  it.each([
    ["that waits for a person", { status: "waiting" }],
    ["that is at work", { status: "running" }],
    ["whose result is not delivered", { delivered: false }],
    ["whose last turn is young", { runDays: 1 }],
  ])("keeps an old job %s", async (_, over) => {
    await aJob(30, over);

    expect(await deleteExpired({ db, days: 7 })).toBe(0);

    expect(await rowsLeft()).toEqual(each(1));
  });

  it("deletes more than one batch, and what nothing belongs to", async () => {
    for (let i = 0; i < 5; i++) await aJob(8);
    await db.query(
      "fill-unbound",
      "insert into events values ('tests', 'cancel', 'cancel', null, now() - interval '9 days')",
    );

    expect(await deleteExpired({ db, days: 7, batch: 2 })).toBe(5);

    expect(await rowsLeft()).toEqual(each(0));
  });
});
