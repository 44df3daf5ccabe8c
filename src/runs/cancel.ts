import { AgentError } from "../errors/agent-error.ts";
import { crashPoint } from "../lifetime/crash-point.ts";
import type { Database, Queryable } from "../postgres/database.ts";
import { NO_USAGE } from "./limits.ts";
import { ACTOR, actorOf, type Caller, requireOwner } from "./owner.ts";
import { FINAL, type Outcome, type RunStatus, type Usage } from "./run.ts";
import { type Sender, type Settled, settleRun } from "./settle.ts";

export type CancelRequest = {
  jobId: string;
  /** Without it: every run of the job that is not final. */
  runId?: string | undefined;
  reason?: string | undefined;
  /** The event that asked, so that a copy of it is known; people ask without one. */
  event?: { source: string; eventId: string } | undefined;
  /** Who asks, where the door tells callers apart. */
  caller?: Caller | undefined;
};

export type CancelResult = {
  /** The newest run that was touched, by this request or by an earlier copy of it. */
  touched: { runId: string; status: RunStatus; waitNo: number } | undefined;
  /** Runs that nobody worked on: they ended here and now. */
  settled: Settled[];
};

/** Where nobody said why. */
export const CANCELLED = "cancelled on request";

/** Thrown into a run that was cancelled: its end is an outcome of its own, not a failure. */
export class Cancelled extends Error {}

/** Who listens gets the id of a run to stop. */
export const CANCEL_CHANNEL = "agent_executor_cancel";

type Candidate = {
  runId: string;
  jobId: string;
  attempt: number;
  eventId: string;
  traceparent: string | null;
  status: RunStatus;
  waitNo: number;
  usage: string | null;
  isAtWork: boolean;
};

const COLUMNS = `run_id as "runId", job_id as "jobId", attempt, event_id as "eventId", traceparent, status,
  wait_no as "waitNo", usage, status = 'running' and leased_until >= now() as "isAtWork"`;

const LIVE = `
  select ${COLUMNS} from runs
   where job_id = $1 and status in ('queued', 'running', 'waiting') and ($2::uuid is null or run_id = $2)
   order by seq for update`;

const ASK = `
  update runs set cancel_requested_at = coalesce(cancel_requested_at, now()), cancel_reason = coalesce(cancel_reason, $2)
   where run_id = $1`;

/**
 * Ends what nobody works on, and asks for the end of what somebody does. All under the lock of the
 * job, so that no run of it can start in between.
 */
export async function cancelRuns(
  db: Database,
  request: CancelRequest,
  sender: Sender,
): Promise<CancelResult> {
  return await db.transaction(async (tx) => {
    const known = request.event && (await alreadyAsked(tx, request.event, request.caller));
    if (known) return { touched: known === "nothing" ? undefined : known, settled: [] };
    await lockJob(tx, request);
    const live = await tx.query<Candidate>("cancel-live", LIVE, [request.jobId, request.runId ?? null]);
    const settled: Settled[] = [];
    for (const run of live) {
      if (run.isAtWork) await ask(tx, run.runId, request.reason);
      else
        settled.push(
          await settleRun(tx, run, cancelledOutcome(request.reason, usageOf(run)), sender, [run.status]),
        );
    }
    const newest = live.at(-1);
    crashPoint("cancel: written, not committed");
    if (request.event) await remember(tx, request.event, newest?.runId);
    return { touched: newest, settled };
  });
}

/** The outcome of a run that was cancelled. */
export function cancelledOutcome(reason: string | undefined, usage: Usage): Outcome {
  return { kind: "cancelled", data: { reason: reason ?? CANCELLED, usage }, usage };
}

/** Which of these runs somebody wants to stop, and why. */
export async function cancelRequests(
  db: Queryable,
  runIds: readonly string[],
): Promise<{ runId: string; reason: string | null }[]> {
  return await db.query(
    "cancel-requests",
    `select run_id as "runId", cancel_reason as reason from runs
      where run_id = any($1::uuid[]) and status = 'running' and cancel_requested_at is not null`,
    [runIds],
  );
}

/** Why a run under our lease is to end; throws where it is not ours any more, which is the other thing it can be. */
export async function reasonToEnd(
  db: Queryable,
  run: { runId: string; attempt: number },
): Promise<string | undefined> {
  const [asked] = await db.query<{ reason: string | null }>(
    "cancel-asked",
    `select cancel_reason as reason from runs
      where run_id = $1 and attempt = $2 and status = 'running' and cancel_requested_at is not null`,
    [run.runId, run.attempt],
  );
  if (asked === undefined) throw new AgentError("lease_lost", "another process has taken this run over");
  return asked.reason ?? undefined;
}

async function alreadyAsked(
  tx: Queryable,
  { source, eventId }: { source: string; eventId: string },
  caller: Caller | undefined,
): Promise<CancelResult["touched"] | "nothing"> {
  const [event] = await tx.query<{ runId: string | null }>(
    "cancel-known",
    `select run_id as "runId" from events where source = $1 and event_id = $2`,
    [source, eventId],
  );
  if (event === undefined) return undefined;
  if (event.runId === null) return "nothing";
  const [run] = await tx.query<Candidate & { owner: string | null }>(
    "cancel-run",
    `select ${COLUMNS}, (select owner from jobs where jobs.job_id = runs.job_id) as owner
       from runs where run_id = $1`,
    [event.runId],
  );
  if (run === undefined) return "nothing";
  // A copy of someone else's event would get the outcome of their run.
  requireOwner(run.owner, caller);
  return run;
}

async function lockJob(tx: Queryable, { jobId, runId, caller, event }: CancelRequest): Promise<void> {
  const [job] = await tx.query<{ owner: string | null }>(
    "cancel-job",
    `select owner, ${ACTOR} from jobs where job_id = $1 for update`,
    [jobId, actorOf(caller, event)],
  );
  if (job !== undefined) requireOwner(job.owner, caller);
  const runs =
    runId &&
    (await tx.query("cancel-has-run", "select 1 from runs where job_id = $1 and run_id = $2", [
      jobId,
      runId,
    ]));
  if (job === undefined || runs?.length === 0) {
    throw new AgentError(
      "unknown_job",
      runId ? "no such run of this job is stored" : "no job of this id is stored",
    );
  }
}

async function ask(tx: Queryable, runId: string, reason: string | undefined): Promise<void> {
  await tx.query("cancel-ask", ASK, [runId, reason ?? null]);
  // Sent when the transaction commits: who is told can read it.
  await tx.query("cancel-notify", "select pg_notify($1, $2)", [CANCEL_CHANNEL, runId]);
}

async function remember(
  tx: Queryable,
  { source, eventId }: { source: string; eventId: string },
  runId: string | undefined,
): Promise<void> {
  await tx.query(
    "cancel-remember",
    "insert into events (source, event_id, kind, run_id) values ($1, $2, 'cancel', $3) on conflict do nothing",
    [source, eventId, runId ?? null],
  );
}

function usageOf(run: Candidate): Usage {
  return run.usage === null || FINAL.has(run.status) ? NO_USAGE : JSON.parse(run.usage);
}
