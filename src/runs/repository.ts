import { AgentError } from "../errors/agent-error.ts";
import type { Queryable } from "../postgres/database.ts";
import { sqlState } from "../postgres/failures.ts";
import { type Caller, notYours } from "./owner.ts";
import type { RunStatus, StoredRequest } from "./run.ts";

export type AcceptInput = {
  source: string;
  eventId: string;
  runId: string;
  jobId: string;
  request: StoredRequest;
  traceparent: string;
  definitionHash: string | null;
  /** null = the hash is thought to be stored. */
  definition: string | null;
  namesAgent: boolean;
  mayStart: boolean;
  caller?: Caller | undefined;
  /** It came by NATS: its results go there too. */
  toNats?: boolean | undefined;
};

export type Accepted = {
  isNew: boolean;
  runId: string;
  jobId: string;
  seq: number;
  status: RunStatus;
  attempt: number;
  waitNo: number;
  definitionHash: string | null;
  headCheckpointId: string | null;
  behindWaiting: boolean;
};

export type AcceptLimits = {
  worker: string;
  leaseSeconds: number;
  maxQueued: number;
  maxQueuedOfJob: number;
};

/** accept_run knows the definition's hash only from hearsay, and it is not there (any more). */
export class DefinitionNotStored extends Error {}

const ACCEPTED_COLUMNS = `
  is_new as "isNew", run_id as "runId", job_id as "jobId", seq, status, attempt, wait_no as "waitNo",
  definition_hash as "definitionHash", head_checkpoint_id as "headCheckpointId",
  behind_waiting as "behindWaiting"`;

// Arguments come before the call: the event log, which triggers write inside it, knows who asks.
const OWNER = `case when set_config('agent_executor.actor', coalesce('subject:' || $15::text, ''), true) is not null
                    then $15::text end`;
const ACCEPT = `
  select ${ACCEPTED_COLUMNS}
    from accept_run($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, ${OWNER}, $16)`;

const ACCEPT_FROM_NATS = ACCEPT.replace("$16)", "$16, true)");

export async function acceptRun(db: Queryable, input: AcceptInput, limits: AcceptLimits): Promise<Accepted> {
  const [name, text] = input.toNats ? ["accept-run-nats", ACCEPT_FROM_NATS] : ["accept-run", ACCEPT];
  try {
    const [row] = await db.query<Accepted>(name, text, [
      input.source,
      input.eventId,
      input.runId,
      input.jobId,
      JSON.stringify(input.request),
      input.traceparent,
      input.definitionHash,
      input.definition,
      input.namesAgent,
      limits.worker,
      limits.leaseSeconds,
      input.mayStart,
      limits.maxQueued,
      limits.maxQueuedOfJob,
      input.caller?.subject ?? null,
      input.caller?.isOperator === false,
    ]);
    if (row !== undefined) return row;
    throw new AgentError("invalid_event", "this source and id are those of an earlier event of another type");
  } catch (error) {
    throw refusal(error);
  }
}

/** Whether an event was taken before, by whatever door. */
export async function isEventKnown(
  db: Queryable,
  { source, id }: { source: string; id: string },
): Promise<boolean> {
  const rows = await db.query(
    "event-known",
    "select 1 from events where source = $1 and event_id = $2 and run_id is not null",
    [source, id],
  );
  return rows.length > 0;
}

function refusal(error: unknown): unknown {
  switch (sqlState(error)) {
    case "AE001":
      return new AgentError("too_many_requests", "too many runs are queued: send the event again later", {
        cause: error,
        retryAfterSeconds: 5,
      });
    case "AE002":
      return new AgentError(
        "invalid_event",
        "the first event of a job needs data.agent_definition or data.agent",
        { cause: error, path: "/data/agent_definition" },
      );
    case "AE003":
      return new DefinitionNotStored("the definition is not stored", { cause: error });
    case "AE004":
      return notYours();
    default:
      return error;
  }
}

/** Prolongs the leases in hand; a run that does not come back belongs to someone else by now. */
const RENEW = `
  update runs set leased_until = now() + make_interval(secs => $3)
    from unnest($1::uuid[], $2::integer[]) as held (run_id, attempt)
   where runs.run_id = held.run_id and runs.attempt = held.attempt and runs.status = 'running'
  returning runs.run_id as "runId"`;

export async function renewLeases(
  db: Queryable,
  held: readonly { runId: string; attempt: number }[],
  leaseSeconds: number,
): Promise<Set<string>> {
  const rows = await db.query<{ runId: string }>("renew-leases", RENEW, [
    held.map((run) => run.runId),
    held.map((run) => run.attempt),
    leaseSeconds,
  ]);
  return new Set(rows.map((row) => row.runId));
}

/** Gives a run back to the queue, and lets go of the lease; not where somebody asked for its end. */
const POSTPONE = `
  update runs
     set status = 'queued', leased_by = null, leased_until = null, failures = $4,
         not_before = now() + make_interval(secs => $3)
   where run_id = $1 and attempt = $2 and status = 'running' and cancel_requested_at is null
  returning 1`;

/** Whether it is back in the queue: if not, it is to end, or not ours any more. */
export async function postponeRun(
  db: Queryable,
  run: { runId: string; attempt: number },
  delaySeconds: number,
  failures: number,
): Promise<boolean> {
  const rows = await db.query("postpone-run", POSTPONE, [run.runId, run.attempt, delaySeconds, failures]);
  return rows.length > 0;
}

/** The run has got on since its last failures: they do not count any more. */
export async function forgiveFailures(db: Queryable, run: { runId: string; attempt: number }): Promise<void> {
  await db.query(
    "forgive-failures",
    "update runs set failures = 0 where run_id = $1 and attempt = $2 and status = 'running'",
    [run.runId, run.attempt],
  );
}

export async function runState(
  db: Queryable,
  runId: string,
): Promise<{ status: RunStatus; waitNo: number } | undefined> {
  const [row] = await db.query<{ status: RunStatus; waitNo: number }>(
    "run-state",
    `select status, wait_no as "waitNo" from runs where run_id = $1`,
    [runId],
  );
  return row;
}

/** In the order of their hashes: two transactions with the same new ones must not wait for each other. */
export async function storeDefinitions(tx: Queryable, bodies: ReadonlyMap<string, string>): Promise<void> {
  const sorted = [...bodies].sort(([a], [b]) => (a < b ? -1 : 1));
  if (sorted.length === 0) return;
  await tx.query(
    "store-definitions",
    `insert into definitions (hash, body)
     select hash, body from unnest($1::text[], $2::text[]) with ordinality as d (hash, body, place) order by place
     on conflict do nothing`,
    [sorted.map(([hash]) => hash), sorted.map(([, body]) => body)],
  );
}

export async function definitionBody(db: Queryable, hash: string): Promise<unknown> {
  const [row] = await db.query<{ body: string }>(
    "definition-body",
    "select body from definitions where hash = $1",
    [hash],
  );
  if (row === undefined) throw new AgentError("internal", `definition ${hash} is not stored`);
  return JSON.parse(row.body);
}
