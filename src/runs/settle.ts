import { carried } from "../checkpoints/carried.ts";
import { AgentError } from "../errors/agent-error.ts";
import { encodeStructured, type OutcomeKind, outcomeEvent } from "../events/outgoing.ts";
import { redactJson } from "../observability/redaction.ts";
import { childOf, parseTraceparent } from "../observability/traceparent.ts";
import type { Queryable } from "../postgres/database.ts";
import type { ClaimedRun, Outcome, RunStatus } from "./run.ts";

/** What is the same for every event that this service sends. */
export type Sender = {
  prefix: string;
  source: string;
  overrides: ReadonlyMap<string, string>;
  /** Where results go; with none, the answer to the caller is the delivery. */
  targets: readonly string[];
  /** For so long after a run other processes leave its delivery to the one that settled it. */
  firstAttemptSeconds: number;
};

export type Settled = {
  runId: string;
  jobId: string;
  eventId: string;
  kind: OutcomeKind;
  attempt: number;
  /** The event's data. */
  data: unknown;
  /** The event's final bytes. */
  event: string;
  /** Whether earlier events of the job still wait for their delivery: this one must not pass them. */
  behindOthers: boolean;
  jobHasQueued: boolean;
  /** One of its targets is NATS. */
  toNats: boolean;
};

/**
 * The rows of the outbox, for a statement that has `settled` and `job`: to the targets of all, to NATS if
 * the run came from there, else to the caller. An event behind others is due at once; one that is not will
 * be delivered by the process that settles, so for a while the others leave it alone.
 */
export const sentBy = (event: { id: string; bytes: string; targets: string; restSeconds: string }) => `
  others as (
    select exists (select 1 from outbox o join job on o.job_id = job.job_id
                    where o.delivered_at is null and o.parked_at is null) as pending),
  target as (
    select unnest(${event.targets}::text[]) as name
    union all select 'nats' from settled where to_nats
    union all select 'reply' from settled where not to_nats and cardinality(${event.targets}::text[]) = 0),
  sent as (
    insert into outbox (event_id, target, job_id, job_event_no, event, next_attempt_at, delivered_at)
    select ${event.id}, target.name, job.job_id, job.last_event_no, ${event.bytes},
           case when others.pending then now() else now() + make_interval(secs => ${event.restSeconds}) end,
           case when target.name = 'reply' then now() end
      from job, others, target)`;

/** Outcome, head of the job and outbox in one statement: no result without its event. `kept` are CTEs more. */
const settle = (kept: string) => `
  with settled as (
    update runs
       set status = $3, outcome = $4, usage = $5, settled_at = now(), leased_by = null, leased_until = null
     where run_id = $1 and attempt = $2 and status = any($11::text[])
    returning job_id, to_nats),
  job as (
    update jobs
       set last_event_no = last_event_no + 1, head_checkpoint_id = coalesce($6, head_checkpoint_id)
      from settled where jobs.job_id = settled.job_id
    returning jobs.job_id, jobs.last_event_no),${kept}
  ${sentBy({ id: "$7", bytes: "$8", targets: "$9", restSeconds: "$10" })}
  select others.pending as "behindOthers", (select to_nats from settled) as "toNats",
         exists (select 1 from runs r where r.job_id = job.job_id and r.status = 'queued') as "jobHasQueued"
    from job, others`;
const VALUES = 11;
const SETTLE = settle("");
const SETTLE_CARRYING = settle(`${carried("settled", VALUES)},`);

export type SettlingRun = Pick<ClaimedRun, "runId" | "jobId" | "attempt" | "eventId" | "traceparent">;

/**
 * Ends the run. The bytes of its event are final from here on: every delivery sends the same. Only
 * who holds the lock of the job may end a run that is not running.
 */
export async function settleRun(
  db: Queryable,
  run: SettlingRun,
  outcome: Outcome,
  sender: Sender,
  from: readonly RunStatus[] = ["running"],
): Promise<Settled> {
  const parent = parseTraceparent(run.traceparent ?? undefined);
  const whole = outcomeEvent({
    prefix: sender.prefix,
    source: sender.source,
    runId: run.runId,
    jobId: run.jobId,
    kind: outcome.kind,
    data: { job_id: run.jobId, run_id: run.runId, ...outcome.data },
    time: new Date(),
    causationId: run.eventId,
    overrides: sender.overrides,
    ...(parent && { traceparent: childOf(parent) }),
  });
  const event = { ...whole, data: redactJson(whole.data) };
  const bytes = encodeStructured(event);
  const last = outcome.checkpoints;
  const [row] = await db.query<Pick<Settled, "behindOthers" | "jobHasQueued" | "toNats">>(
    last ? "settle-run-carrying" : "settle-run",
    last ? SETTLE_CARRYING : SETTLE,
    [
      run.runId,
      run.attempt,
      outcome.kind,
      JSON.stringify(event.data), // the event's copy: whatever a graph returned, this much of it is JSON
      JSON.stringify(outcome.usage),
      outcome.headCheckpointId ?? null,
      event.id,
      bytes,
      sender.targets,
      sender.firstAttemptSeconds,
      from,
      ...(last?.values ?? []),
    ],
  );
  if (row === undefined) throw new AgentError("lease_lost", "another process has taken this run over");
  last?.wereWritten();
  const { runId, jobId, attempt } = run;
  const { id: eventId, data } = event;
  return { runId, jobId, attempt, eventId, kind: outcome.kind, data, event: bytes, ...row };
}
