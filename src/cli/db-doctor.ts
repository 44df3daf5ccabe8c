import type { Database } from "../postgres/database.ts";

export type TableSize = { table: string; rows: number; bytes: number; oldest: string | null };
export type DataFinding = { what: string; count: number; example: string | null; fix: string };

/** Tables that grow, and the column that says how old a row is. */
const TABLES: readonly (readonly [table: string, age: string | null])[] = [
  ["jobs", "created_at"],
  ["runs", "accepted_at"],
  ["events", "accepted_at"],
  ["definitions", "created_at"],
  ["outbox", "created_at"],
  ["interrupts", "decided_at"],
  ["journal", "coalesce(begun_at, done_at)"],
  ["event_log", "at"],
  ["checkpoints", null],
  ["checkpoint_blobs", null],
  ["checkpoint_writes", null],
];

// An estimate above some thousand rows, as the planner has it: counting a large table takes minutes.
const SIZE = `
  select c.reltuples::float8 as estimate, pg_total_relation_size(c.oid)::float8 as bytes
    from pg_class c where c.oid = to_regclass($1)`;
const COUNTED_UP_TO_BYTES = 50 * 1024 * 1024;

type Look = { what: string; sql: string; fix: string; takesDays?: true };

/** Each gives how many, and one of them. What waits for its turn and gets on is no problem. */
const LOOKS: readonly Look[] = [
  {
    what: "runs whose worker has been silent for more than a minute beyond its lease",
    sql: `select count(*)::int as count, min(job_id) as example from runs
           where status = 'running' and leased_until < now() - interval '1 minute'`,
    fix: 'no process is claiming: start one, or look for "no runs could be claimed" in the logs',
  },
  {
    what: "runs that have been queued for more than 10 minutes with nothing of their job before them",
    sql: `select count(*)::int as count, min(r.job_id) as example from runs r
           where r.status = 'queued' and greatest(r.accepted_at, r.not_before) < now() - interval '10 minutes'
             and not exists (select 1 from runs o where o.job_id = r.job_id and o.seq < r.seq
                              and o.status in ('queued', 'running', 'waiting'))`,
    fix: "raise MAX_CONCURRENT_RUNS or add processes; jobs cancel ends one",
  },
  {
    what: "runs that failed several times in a row and will be tried again",
    sql: `select count(*)::int as count, min(job_id) as example from runs
           where status in ('queued', 'running') and failures >= 3`,
    fix: "trace shows what each attempt died of; jobs cancel ends it",
  },
  {
    what: "questions that nobody has answered for a day",
    sql: `select count(*)::int as count, min(r.job_id) as example
            from interrupts i join runs r on r.run_id = i.run_id and r.wait_no = i.wait_no
            join outbox o on o.job_id = r.job_id and o.job_event_no = (select j.last_event_no from jobs j where j.job_id = r.job_id)
           where r.status = 'waiting' and i.decision is null and o.created_at < now() - interval '1 day'`,
    fix: "approve or reject decides; approval.expires_in_seconds decides by itself next time",
  },
  {
    what: "questions whose time is over and that are not decided",
    sql: `select count(*)::int as count, min(r.job_id) as example
            from interrupts i join runs r on r.run_id = i.run_id and r.wait_no = i.wait_no
           where r.status = 'waiting' and i.decision is null and i.expires_at < now() - interval '2 minutes'`,
    fix: "no process is awake to decide them: start one, or check the PingSource",
  },
  {
    what: "results that were parked: their target refused them for good",
    sql: `select count(*)::int as count, min(last_error) as example from outbox
           where parked_at is not null and delivered_at is null`,
    fix: "correct the target, then outbox redrive --all; outbox list shows them",
  },
  {
    what: "results that have waited for their delivery for more than 10 minutes",
    sql: `select count(*)::int as count, max(last_error) as example from outbox
           where delivered_at is null and parked_at is null and created_at < now() - interval '10 minutes'`,
    fix: "agent-executor doctor says whether the sink answers",
  },
  {
    what: "tool calls of ended runs whose outcome nobody knows",
    sql: `select count(*)::int as count, min(r.job_id) as example from journal w join runs r on r.run_id = w.run_id
           where w.state = 'intent' and r.status in ('completed', 'failed', 'cancelled')`,
    fix: "ask the called service with the idempotency key; trace names the tool",
  },
  {
    what: "jobs that the retention should have deleted more than a day ago",
    sql: `select count(*)::int as count, min(j.job_id) as example from jobs j
           where j.created_at < now() - make_interval(days => $1 + 1)
             and not exists (select 1 from runs r where r.job_id = j.job_id
                              and (r.status not in ('completed', 'failed', 'cancelled')
                                   or r.settled_at > now() - make_interval(days => $1 + 1)))
             and not exists (select 1 from outbox o where o.job_id = j.job_id
                              and (coalesce(o.delivered_at, o.parked_at) is null
                                   or coalesce(o.delivered_at, o.parked_at) > now() - make_interval(days => $1 + 1)))`,
    fix: 'db prune deletes them now; look for "nothing was deleted" in the logs',
    takesDays: true,
  },
];

export async function lookAtData(
  db: Database,
  days: number,
): Promise<{ tables: TableSize[]; findings: DataFinding[] }> {
  const tables: TableSize[] = [];
  for (const [table, age] of TABLES) tables.push(await sizeOf(db, table, age));
  const findings: DataFinding[] = [];
  for (const [n, { what, sql, fix, takesDays }] of LOOKS.entries()) {
    const values = takesDays ? [days] : [];
    const [row] = await db.query<{ count: number; example: string | null }>(`db-doctor-${n}`, sql, values);
    if (row !== undefined && row.count > 0)
      findings.push({ what, count: row.count, example: row.example, fix });
  }
  return { tables, findings };
}

async function sizeOf(db: Database, table: string, age: string | null): Promise<TableSize> {
  const [size] = await db.query<{ estimate: number; bytes: number }>("db-doctor-size", SIZE, [table]);
  const { estimate = 0, bytes = 0 } = size ?? {};
  const counted = bytes <= COUNTED_UP_TO_BYTES ? "count(*)::float8" : "null::float8";
  const oldest = age === null ? "null::timestamptz" : `min(${age})`;
  const [row] = await db.query<{ rows: number | null; oldest: Date | null }>(
    `db-doctor-${table}-${bytes <= COUNTED_UP_TO_BYTES}`,
    `select ${counted} as rows, ${oldest} as oldest from ${table}`,
  );
  return {
    table,
    rows: row?.rows ?? Math.max(0, estimate),
    bytes,
    oldest: row?.oldest?.toISOString() ?? null,
  };
}
