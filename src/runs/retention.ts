import { crashPoint } from "../lifetime/crash-point.ts";
import type { Database, Queryable } from "../postgres/database.ts";

export type RetentionOptions = { db: Database; days: number; batch?: number };

/**
 * Jobs whose runs have all ended, and whose results were all delivered or given up, for longer than
 * that. The lock is the job's: an event that comes for it waits, and then begins it anew.
 */
const OVER = `
  select j.job_id as "jobId" from jobs j
   where j.created_at < now() - make_interval(days => $1)
     and not exists (select 1 from runs r where r.job_id = j.job_id
                      and (r.status not in ('completed', 'failed', 'cancelled')
                           or r.settled_at > now() - make_interval(days => $1)))
     and not exists (select 1 from outbox o where o.job_id = j.job_id
                      and (coalesce(o.delivered_at, o.parked_at) is null
                           or coalesce(o.delivered_at, o.parked_at) > now() - make_interval(days => $1)))
   order by j.created_at limit $2 for update of j skip locked`;

const RUNS = "(select run_id from runs where job_id = any($1::text[]))";

/** In this order: what points to a row goes before it. */
const DELETIONS: readonly (readonly [name: string, text: string])[] = [
  ["outbox", "delete from outbox where job_id = any($1::text[])"],
  ["journal", `delete from journal where run_id in ${RUNS}`],
  ["interrupts", `delete from interrupts where run_id in ${RUNS}`],
  ["events", `delete from events where run_id in ${RUNS}`],
  ["writes", "delete from checkpoint_writes where thread_id = any($1::text[])"],
  ["blobs", "delete from checkpoint_blobs where thread_id = any($1::text[])"],
  ["checkpoints", "delete from checkpoints where thread_id = any($1::text[])"],
  ["runs", "delete from runs where job_id = any($1::text[])"],
  ["jobs", "delete from jobs where job_id = any($1::text[])"],
  ["event-log", "delete from event_log where job_id = any($1::text[])"],
  [
    "logged",
    `select write_event_log('job.deleted', job_id, null, 'retention', null, '{}')
       from unnest($1::text[]) as job_id`,
  ],
];

/** Of no job: definitions that nothing names any more, and requests that had nothing to cancel. */
const LEFTOVERS: readonly (readonly [name: string, text: string])[] = [
  [
    "definitions",
    `delete from definitions where hash in (
       select d.hash from definitions d where d.created_at < now() - make_interval(days => $1)
          and not exists (select 1 from runs r where r.definition_hash = d.hash)
          and not exists (select 1 from jobs j where j.definition_hash = d.hash)
        limit 1000)`,
  ],
  [
    // Number 0: of events that became no run. They may bear the id of a job that is there, or of none.
    "loose",
    `delete from outbox where (event_id, target) in (
       select event_id, target from outbox
        where job_event_no = 0 and coalesce(delivered_at, parked_at) < now() - make_interval(days => $1)
        limit 1000)`,
  ],
  [
    "unbound",
    `delete from events where (source, event_id) in (
       select source, event_id from events
        where run_id is null and accepted_at < now() - make_interval(days => $1) limit 1000)`,
  ],
];

/** Deletes what is older than the retention, whole jobs at a time; gives how many. */
export async function deleteExpired({ db, days, batch = 100 }: RetentionOptions): Promise<number> {
  let deleted = 0;
  for (;;) {
    const jobs = await db.transaction((tx) => deleteBatch(tx, days, batch));
    deleted += jobs;
    if (jobs < batch) break;
  }
  for (const [name, text] of LEFTOVERS) await db.query(`retention-${name}`, text, [days]);
  await db.transaction(async (tx) => {
    await tx.query("retention-may-delete", MAY_DELETE);
    await tx.query("retention-old-entries", OLD_ENTRIES, [days]);
  });
  return deleted;
}

/** The event log lets nobody else delete anything. */
const MAY_DELETE = "select set_config('agent_executor.retention', 'on', true)";

/** Entries about jobs that are gone: that they were deleted, and when. */
const OLD_ENTRIES = `
  delete from event_log where entry_no in (
    select l.entry_no from event_log l
     where l.at < now() - make_interval(days => $1)
       and not exists (select 1 from jobs j where j.job_id = l.job_id) limit 1000)`;

/** All of a job in one transaction: whoever dies in between leaves no orphans. */
async function deleteBatch(tx: Queryable, days: number, batch: number): Promise<number> {
  const jobs = await tx.query<{ jobId: string }>("retention-over", OVER, [days, batch]);
  if (jobs.length === 0) return 0;
  await tx.query("retention-may-delete", MAY_DELETE);
  const ids = jobs.map(({ jobId }) => jobId);
  for (const [name, text] of DELETIONS) await tx.query(`retention-${name}`, text, [ids]);
  crashPoint("retention: deleted, not committed");
  return jobs.length;
}
