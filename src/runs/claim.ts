import type { Queryable } from "../postgres/database.ts";
import type { ClaimedRun, StoredRequest } from "./run.ts";

const CLAIMED_COLUMNS = `
  run.run_id as "runId", run.job_id as "jobId", run.seq, run.attempt, run.failures,
  run.wait_no as "waitNo",
  run.event_id as "eventId", run.request, run.definition_hash as "definitionHash",
  jobs.head_checkpoint_id as "headCheckpointId", run.traceparent,
  case when run.cancel_requested_at is not null then coalesce(run.cancel_reason, '') end as "endReason"`;

/**
 * Takes runs whose turn has come: the first queued one of each job that has none alive, and those
 * whose worker went silent. `skip locked` lets processes pass each other. A run that was there when
 * two workers in a row died is a suspect: a process takes one of them at a time, so that those who
 * merely stood beside the culprit get through. A turn starts by the clock and not by now(), which is when
 * the statement was sent: the turn before may have ended since.
 */
const CLAIM = `
  with silent as (
    select r.run_id from runs r
     where r.status = 'running' and r.leased_until < now() and r.failures = 0
     order by r.leased_until limit $3 for update skip locked),
  suspect as (
    select r.run_id from runs r
     where r.status = 'running' and r.leased_until < now() and r.failures > 0 and $4
     order by r.failures, r.leased_until limit 1 for update skip locked),
  queued as (
    select r.run_id from runs r
     where r.status = 'queued' and r.not_before <= now()
       and not exists (select 1 from runs o where o.job_id = r.job_id
                        and (o.status in ('running', 'waiting') or (o.status = 'queued' and o.seq < r.seq)))
     order by r.accepted_at limit $3 for update skip locked),
  due as (
    select run_id, true as was_silent from suspect
    union all select run_id, true from silent
    union all select run_id, false from queued limit $3),
  run as (
    update runs r
       set status = 'running', attempt = r.attempt + 1,
           failures = r.failures + case when r.status = 'running' then 1 else 0 end,
           leased_by = $1, leased_until = now() + make_interval(secs => $2),
           started_at = coalesce(r.started_at, clock_timestamp())
      from due where r.run_id = due.run_id
    returning r.*, due.was_silent)
  select ${CLAIMED_COLUMNS}, run.was_silent as "wasSilent" from run join jobs on jobs.job_id = run.job_id`;

type ClaimedRow = Omit<ClaimedRun, "request"> & { request: string };

export async function claimRuns(
  db: Queryable,
  worker: string,
  leaseSeconds: number,
  most: number,
  takesSuspects: boolean,
): Promise<ClaimedRun[]> {
  const rows = await db.query<ClaimedRow>("claim-runs", CLAIM, [worker, leaseSeconds, most, takesSuspects]);
  return rows.map((row) => ({ ...row, request: JSON.parse(row.request) as StoredRequest })); // we wrote it
}
