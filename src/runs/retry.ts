import { AgentError } from "../errors/agent-error.ts";
import { uuidV7 } from "../events/ids.ts";
import { crashPoint } from "../lifetime/crash-point.ts";
import type { Database, Queryable } from "../postgres/database.ts";
import { type Caller, requireOwner } from "./owner.ts";
import { type AcceptLimits, acceptRun } from "./repository.ts";
import type { RunStatus, StoredRequest } from "./run.ts";

export type RetryRequest = {
  jobId: string;
  /** Without it: the newest run of the job. */
  runId?: string | undefined;
  /** `checkpoint` goes on where the run stopped; `input` begins its turn anew. */
  from: "input" | "checkpoint";
  caller?: Caller | undefined;
};

/** `isNew` is false for a retry that was asked for before: a run is retried once, and then its retry is. */
export type Retried = { runId: string; isNew: boolean };

/** Stands in `events` in place of a sender's source, so that the id of the run makes the retry unique. */
export const RETRY_SOURCE = "urn:agent-executor:retry";

type Failed = {
  runId: string;
  seq: number;
  source: string;
  eventId: string;
  request: string;
  traceparent: string | null;
  definitionHash: string | null;
  status: RunStatus;
};

const NEWEST_OR_NAMED = `
  select run_id as "runId", seq, source, event_id as "eventId", request, traceparent,
         definition_hash as "definitionHash", status
    from runs where job_id = $1 and ($2::uuid is null or run_id = $2) order by seq desc limit 1`;

/**
 * Makes a new run of what a failed or cancelled one was asked, as its job's next turn. Its result
 * names the event that caused the first of them. All under the lock of the job.
 */
export async function retryRun(db: Database, request: RetryRequest, limits: AcceptLimits): Promise<Retried> {
  return await db.transaction(async (tx) => {
    const lastSeq = await lockJob(tx, request);
    const [failed] = await tx.query<Failed>("retry-run", NEWEST_OR_NAMED, [
      request.jobId,
      request.runId ?? null,
    ]);
    if (failed === undefined) throw new AgentError("unknown_job", "no such run of this job is stored");
    const before = await retryOf(tx, failed.runId);
    if (before !== undefined) return { runId: before, isNew: false };
    requireEnded(failed);
    if (request.from === "checkpoint" && failed.seq !== lastSeq) {
      throw notRetryable('a later turn has begun: retry from "input"');
    }
    const runId = await acceptRetry(tx, request, failed, limits);
    crashPoint("retry: written, not committed");
    return { runId, isNew: true };
  });
}

async function lockJob(tx: Queryable, { jobId, caller }: RetryRequest): Promise<number> {
  const [job] = await tx.query<{ owner: string | null; lastSeq: number }>(
    "retry-job",
    `select owner, last_seq as "lastSeq" from jobs where job_id = $1 for update`,
    [jobId],
  );
  if (job === undefined) throw new AgentError("unknown_job", "no job of this id is stored");
  requireOwner(job.owner, caller);
  return job.lastSeq;
}

async function retryOf(tx: Queryable, runId: string): Promise<string | undefined> {
  const [event] = await tx.query<{ runId: string }>(
    "retry-known",
    `select run_id as "runId" from events where source = $1 and event_id = $2`,
    [RETRY_SOURCE, runId],
  );
  return event?.runId;
}

function requireEnded({ status }: Failed): void {
  if (status === "failed" || status === "cancelled") return;
  if (status === "completed") throw notRetryable("the run has completed: send an event for another turn");
  throw new AgentError("run_in_progress", `the run is ${status}: cancel it first`, { retryAfterSeconds: 5 });
}

async function acceptRetry(
  tx: Queryable,
  { jobId, from, caller }: RetryRequest,
  failed: Failed,
  limits: AcceptLimits,
): Promise<string> {
  const request = JSON.parse(failed.request) as StoredRequest; // we wrote it
  const { runId } = await acceptRun(
    tx,
    {
      source: RETRY_SOURCE,
      eventId: failed.runId,
      runId: uuidV7(),
      jobId,
      request: { ...request, retry_of: { run_id: failed.runId, from } },
      traceparent: failed.traceparent ?? "",
      // The run keeps its own definition, which need not be the one of the job's next turn.
      definitionHash: null,
      definition: null,
      namesAgent: true,
      mayStart: false,
      caller,
    },
    limits,
  );
  await tx.query(
    "retry-is-of",
    `update runs set source = $2, event_id = $3, traceparent = $4, definition_hash = $5 where run_id = $1`,
    [runId, failed.source, failed.eventId, failed.traceparent, failed.definitionHash],
  );
  if (from === "checkpoint") {
    // Calls of the step that failed: what is known to have happened does not happen again.
    await tx.query(
      "retry-journal",
      `insert into journal (run_id, task, slot, digest, state, outcome, tool, begun_at, done_at)
       select $1, task, slot, digest, state, outcome, tool, begun_at, done_at from journal where run_id = $2`,
      [runId, failed.runId],
    );
  }
  return runId;
}

function notRetryable(message: string): AgentError {
  return new AgentError("not_retryable", message);
}
