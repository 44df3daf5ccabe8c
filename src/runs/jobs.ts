import { AgentError } from "../errors/agent-error.ts";
import type { Queryable } from "../postgres/database.ts";
import type { Caller } from "./owner.ts";
import type { RunStatus } from "./run.ts";

/** A job as `GET /jobs/{id}` shows it. */
export type JobView = {
  job_id: string;
  status: RunStatus;
  result: unknown;
  error: unknown;
  interrupts: unknown[];
  usage: unknown;
  definition: { hash: string; name?: string } | null;
  runs: RunView[];
};

type RunView = {
  run_id: string;
  seq: number;
  status: RunStatus;
  attempt: number;
  source: string;
  event_id: string;
  accepted_at: Date;
  started_at: Date | null;
  settled_at: Date | null;
};

const READ_RUNS = `
  select run_id, seq, status, attempt, source, event_id, accepted_at, started_at, settled_at
    from runs where job_id = $1 order by seq`;

/** Only of the one run that is shown: outcomes and definitions may be a megabyte each. */
const READ_OUTCOME = `
  select r.outcome, r.usage, r.definition_hash as hash, d.body
    from runs r left join definitions d on d.hash = r.definition_hash where r.run_id = $1`;

type OutcomeRow = { outcome: string | null; usage: string | null; hash: string | null; body: string | null };

export async function readJob(db: Queryable, jobId: string): Promise<JobView> {
  const runs = await db.query<RunView>("read-runs", READ_RUNS, [jobId]);
  const current = runs.findLast((run) => run.status !== "queued") ?? runs.at(-1);
  if (current === undefined) throw new AgentError("unknown_job", "no job of this id is stored");
  const [row] = await db.query<OutcomeRow>("read-outcome", READ_OUTCOME, [current.run_id]);
  const outcome = row?.outcome ? JSON.parse(row.outcome) : {};
  const decided = current.status === "waiting" ? await decisionsOf(db, current.run_id) : undefined;
  return {
    job_id: jobId,
    status: current.status,
    result: outcome.result ?? null,
    error: outcome.error ?? null,
    interrupts: decided
      ? (outcome.interrupts ?? []).map((each: Shown) => ({ ...each, ...decided.get(each.interrupt_id) }))
      : [],
    usage: row?.usage ? JSON.parse(row.usage) : null,
    definition: row?.hash ? { hash: row.hash, ...nameOf(row.body) } : null,
    runs,
  };
}

type Shown = { interrupt_id: string };
type DecisionView = { decision: string; decided_by: string | null; decided_at: Date };

/** What has been decided of the wait that the run is in; the run goes on when nothing is left. */
async function decisionsOf(db: Queryable, runId: string): Promise<Map<string, DecisionView>> {
  const rows = await db.query<DecisionView & { interrupt_id: string }>(
    "decisions-of-run",
    `select i.interrupt_id, i.decision::json ->> 'decision' as decision, i.decided_by, i.decided_at
       from interrupts i join runs r on r.run_id = i.run_id and r.wait_no = i.wait_no
      where i.run_id = $1 and i.decision is not null`,
    [runId],
  );
  return new Map(rows.map(({ interrupt_id: id, ...view }) => [id, view]));
}

/** A definition may be anything that is JSON: it was stored before it was checked. */
function nameOf(body: string | null): { name?: string } {
  const definition: unknown = body === null ? null : JSON.parse(body);
  if (typeof definition !== "object" || definition === null || !("name" in definition)) return {};
  return typeof definition.name === "string" ? { name: definition.name } : {};
}

export type JobSummary = {
  job_id: string;
  status: RunStatus;
  /** Name in the definition of the run whose status it is. */
  agent?: string;
  accepted_at: Date;
  settled_at: Date | null;
};

export type JobPage = { jobs: JobSummary[]; next: string | null };

/** Newest job first; the cursor is the last row's place in that order. */
const listJobsWhere = (whose: string) => `
  select j.job_id, run.status, run.definition_hash as hash, j.created_at as accepted_at, run.settled_at,
         to_char(j.created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as place
    from jobs j
    cross join lateral (
      select r.status, r.settled_at, r.definition_hash from runs r where r.job_id = j.job_id
       order by r.status = 'queued', r.seq desc limit 1) as run
   where ($1::text is null or run.status = $1)
     and ($2::timestamptz is null or (j.created_at, j.job_id) < ($2::timestamptz, $3::text))
     and ($5::timestamptz is null or j.created_at >= $5) and ($6::timestamptz is null or j.created_at < $6)
     and ${whose}
   order by j.created_at desc, j.job_id desc limit $4`;
const LIST_JOBS = listJobsWhere("true");
/** A text of its own, so that it gets the index by owner. */
const LIST_OWN_JOBS = listJobsWhere("j.owner = $7");

export type JobFilter = {
  status?: string | undefined;
  /** Accepted at this moment or later, and before that one. */
  since?: string | undefined;
  until?: string | undefined;
  after?: string | undefined;
  limit: number;
};

/** One page; of callers who are told apart each sees their own jobs only, but for operators. */
export async function listJobs(db: Queryable, filter: JobFilter, caller?: Caller): Promise<JobPage> {
  const after = filter.after === undefined ? undefined : readCursor(filter.after);
  const values = [
    ...[filter.status ?? null, after?.place ?? null, after?.jobId ?? null, filter.limit + 1],
    ...[filter.since ?? null, filter.until ?? null],
  ];
  type Placed = JobSummary & { place: string; hash: string | null };
  const rows =
    caller === undefined || caller.isOperator
      ? await db.query<Placed>("list-jobs", LIST_JOBS, values)
      : await db.query<Placed>("list-own-jobs", LIST_OWN_JOBS, [...values, caller.subject]);
  const page = rows.slice(0, filter.limit);
  const last = page.at(-1);
  const more = rows.length > filter.limit && last !== undefined;
  const names = await agentNames(db, page.map(({ hash }) => hash ?? "").filter(Boolean));
  return {
    jobs: page.map(({ place: _, hash, ...job }) => ({ ...job, ...names.get(hash ?? "") })),
    next: more ? writeCursor(last.place, last.job_id) : null,
  };
}

/** Definitions may be a megabyte each and never change: their names are read once. */
const known = new Map<string, { agent?: string }>();
const MOST_KNOWN = 5000;

async function agentNames(db: Queryable, hashes: readonly string[]): Promise<typeof known> {
  const unknown = [...new Set(hashes)].filter((hash) => !known.has(hash));
  if (unknown.length === 0) return known;
  if (known.size > MOST_KNOWN) known.clear();
  const rows = await db.query<{ hash: string; body: string }>(
    "names-of-definitions",
    "select hash, body from definitions where hash = any($1::text[])",
    [unknown],
  );
  for (const { hash, body } of rows) {
    const { name } = nameOf(body);
    known.set(hash, name === undefined ? {} : { agent: name });
  }
  return known;
}

function writeCursor(place: string, jobId: string): string {
  return Buffer.from(JSON.stringify([place, jobId])).toString("base64url");
}

function readCursor(text: string): { place: string; jobId: string } {
  try {
    const [place, jobId] = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    if (isMoment(place) && typeof jobId === "string" && /^[^\p{Cc}\p{Cs}]{1,256}$/u.test(jobId)) {
      return { place, jobId };
    }
  } catch {
    // said below, the same for every kind of nonsense
  }
  throw new AgentError("invalid_request", "after must be the `next` of an earlier page", { path: "/after" });
}

/** A moment as LIST_JOBS prints it, on a day that there is, in years that Postgres reads. */
function isMoment(value: unknown): value is string {
  if (typeof value !== "string" || !/^[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(value)) return false;
  const moment = new Date(value);
  return !Number.isNaN(moment.getTime()) && moment.toISOString().startsWith(value.slice(0, 19));
}
