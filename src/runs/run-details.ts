import { AgentError } from "../errors/agent-error.ts";
import { outcomeEventId } from "../events/outgoing.ts";
import { redactJson } from "../observability/redaction.ts";
import type { Queryable } from "../postgres/database.ts";
import type { RunStatus } from "./run.ts";

/** One run with all that came in for it and went out of it. */
export type RunDetails = {
  run_id: string;
  job_id: string;
  seq: number;
  status: RunStatus;
  attempt: number;
  failures: number;
  source: string;
  event_id: string;
  retry_of: string | null;
  traceparent: string | null;
  accepted_at: Date;
  started_at: Date | null;
  settled_at: Date | null;
  definition_hash: string | null;
  request: unknown;
  usage: unknown;
  events: EventView[];
  steps: unknown[];
};

type EventView = {
  event_id: string;
  target: string;
  event: unknown;
  attempts: number;
  delivered_at: Date | null;
  parked_at: Date | null;
  last_error: string | null;
};

const READ_RUN = `
  select run_id, job_id, seq, status, attempt, failures, source, event_id, traceparent, accepted_at, started_at,
         settled_at, definition_hash, request, usage, wait_no as "waitNo"
    from runs where job_id = $1 and run_id = $2`;

const READ_EVENTS = `
  select event_id, target, event, attempts, delivered_at, parked_at, last_error from outbox
   where event_id = any($1::uuid[]) order by job_event_no, target`;

type RunRow = Omit<RunDetails, "request" | "usage" | "events" | "steps" | "retry_of"> & {
  request: string;
  usage: string | null;
  waitNo: number;
};

export async function readRun(db: Queryable, jobId: string, runId: string): Promise<RunDetails> {
  const [found] = await db.query<RunRow>("read-run", READ_RUN, [jobId, runId]);
  if (found === undefined) throw new AgentError("unknown_job", "no such run of this job is stored");
  const { stepsOfRun } = await import("../checkpoints/steps.ts");
  const { waitNo, ...row } = found;
  const events = await db.query<Omit<EventView, "event"> & { event: string }>(
    "read-run-events",
    READ_EVENTS,
    [eventIdsOf(runId, waitNo)],
  );
  const { retry_of, ...request } = JSON.parse(row.request) as { retry_of?: { run_id: string } }; // we wrote it
  return {
    ...row,
    retry_of: retry_of?.run_id ?? null,
    request: redactJson(request),
    usage: row.usage === null ? null : JSON.parse(row.usage),
    events: events.map(({ event, ...delivery }) => ({ ...delivery, event: JSON.parse(event) })),
    steps: await stepsOfRun(db, jobId, runId),
  };
}

/** Of all that may have gone out of it: an end, and each wait before that. */
function eventIdsOf(runId: string, waitNo: number): string[] {
  const ends = (["completed", "failed", "cancelled"] as const).map((kind) => outcomeEventId(runId, kind));
  const waits = Array.from({ length: waitNo }, (_, n) => outcomeEventId(runId, "interrupted", n + 1));
  return [...ends, ...waits];
}

/** The definition that a job's next turn would use, or that a run of it was accepted with, as it was sent. */
export async function readDefinitionOf(
  db: Queryable,
  jobId: string,
  runId: string | undefined,
): Promise<{ hash: string; definition: unknown }> {
  const [row] = await db.query<{ hash: string; body: string }>(
    "read-definition-of",
    `select d.hash, d.body from runs r join definitions d on d.hash = r.definition_hash
      where r.job_id = $1 and ($2::uuid is null or r.run_id = $2) order by r.seq desc limit 1`,
    [jobId, runId ?? null],
  );
  if (row === undefined)
    throw new AgentError("unknown_job", "no such job or run with a definition is stored");
  return { hash: row.hash, definition: redactJson(JSON.parse(row.body)) };
}
