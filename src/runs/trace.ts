import { type StepView, stepsOfRun } from "../checkpoints/steps.ts";
import { AgentError } from "../errors/agent-error.ts";
import type { Queryable } from "../postgres/database.ts";
import type { RunStatus } from "./run.ts";

/** All that is known of a job, as a tree: what came in, who worked on it, what it did, what went out. */
export type Trace = { job_id: string; owner: string | null; runs: TracedRun[] };

export type TracedRun = {
  run_id: string;
  seq: number;
  status: RunStatus;
  accepted_at: string;
  started_at: string | null;
  settled_at: string | null;
  definition_hash: string | null;
  traceparent: string | null;
  usage: Record<string, number> | null;
  /** Events that were about it: execute, and later resume and cancel. */
  events: { kind: string; source: string; event_id: string; at: string }[];
  attempts: TracedAttempt[];
  decisions: TracedDecision[];
  deliveries: TracedDelivery[];
  /** The event log, entry by entry. */
  log: LogEntry[];
};

export type TracedAttempt = {
  attempt: number;
  worker: string | null;
  began_at: string | null;
  ended_at: string | null;
  /** `settled`, `waiting`, `postponed`, `taken over`; null for one that is at work. */
  end: string | null;
  steps: StepView[];
  tools: TracedTool[];
};

export type TracedTool = {
  tool: string | null;
  state: "intent" | "done";
  began_at: string | null;
  ended_at: string | null;
};

export type TracedDecision = {
  interrupt_id: string;
  wait_no: number;
  message: string;
  tool: string | null;
  decision: string | null;
  decided_by: string | null;
  decided_at: string | null;
  expires_at: string | null;
};

export type TracedDelivery = {
  event_id: string;
  type: string;
  target: string;
  attempts: number;
  created_at: string;
  delivered_at: string | null;
  parked_at: string | null;
  last_error: string | null;
};

export type LogEntry = {
  at: string;
  type: string;
  who: string;
  digest: string | null;
  details: Record<string, unknown>;
  payload?: { text: string; omitted_chars: number };
};

/** Of a job with more runs the newest are shown: a tree of a thousand helps nobody. */
const MOST_RUNS = 50;
const MOST_ENTRIES = 5000;

const JOB = `select j.owner from jobs j where j.job_id = $1`;
const RUNS = `
  select run_id, seq, status, accepted_at, started_at, settled_at, definition_hash, traceparent, usage
    from runs where job_id = $1 order by seq desc limit ${MOST_RUNS}`;
const EVENTS = `
  select run_id, kind, source, event_id, accepted_at as at from events
   where run_id = any($1::uuid[]) order by accepted_at`;
const LOG = `
  select run_id, at, type, who, digest, details, payload from (
    select * from event_log where job_id = $1 order by entry_no desc limit ${MOST_ENTRIES}) as newest
   order by entry_no`;
const TOOLS = `
  select run_id, tool, state, begun_at as began_at, done_at as ended_at from journal
   where run_id = any($1::uuid[]) order by coalesce(begun_at, done_at)`;
const DECISIONS = `
  select run_id, interrupt_id, wait_no, question, decision, decided_by, decided_at, expires_at
    from interrupts where run_id = any($1::uuid[]) order by wait_no, interrupt_id`;
const DELIVERIES = `
  select event_id, event, target, attempts, created_at, delivered_at, parked_at, last_error
    from outbox where job_id = $1 order by job_event_no, target`;

type OfRun = { run_id: string };

export async function readTrace(db: Queryable, jobId: string): Promise<Trace> {
  const [job] = await db.query<{ owner: string | null }>("trace-job", JOB, [jobId]);
  if (job === undefined) throw new AgentError("unknown_job", "no job of this id is stored");
  type RunRow = Omit<TracedRun, "usage"> & { usage: string | null };
  const runs = (await db.query<RunRow>("trace-runs", RUNS, [jobId])).reverse();
  const ids = runs.map(({ run_id }) => run_id);
  const events = await db.query<TracedRun["events"][number] & OfRun>("trace-events", EVENTS, [ids]);
  const log = (await db.query<LogRow>("trace-log", LOG, [jobId])).map(toEntry);
  const tools = await db.query<TracedTool & OfRun>("trace-tools", TOOLS, [ids]);
  const decisions = (await db.query<DecisionRow>("trace-decisions", DECISIONS, [ids])).map(toDecision);
  const deliveries = (await db.query<DeliveryRow>("trace-deliveries", DELIVERIES, [jobId])).map(toDelivery);
  const traced: TracedRun[] = [];
  for (const run of runs) {
    const steps = await stepsOfRun(db, jobId, run.run_id);
    const of = <T extends OfRun>(rows: readonly T[]) => rows.filter(({ run_id }) => run_id === run.run_id);
    const ofRun = of(log);
    traced.push({
      ...run,
      usage: run.usage === null ? null : JSON.parse(run.usage),
      events: without(of(events)),
      attempts: attemptsOf(ofRun, steps, without(of(tools))),
      decisions: without(of(decisions)),
      deliveries: without(of(deliveries)),
      log: without(ofRun),
    });
  }
  // Dates of the drivers become what JSON has.
  return JSON.parse(JSON.stringify({ job_id: jobId, owner: job.owner, runs: traced })) as Trace;
}

function without<T extends OfRun>(rows: readonly T[]): Omit<T, "run_id">[] {
  return rows.map(({ run_id: _, ...rest }) => rest);
}

type LogRow = OfRun & Omit<LogEntry, "details" | "payload"> & { details: string; payload: string | null };

function toEntry({ details, payload, at, ...row }: LogRow): LogEntry & OfRun {
  const shown = payload === null ? {} : { payload: JSON.parse(payload) };
  return { ...row, at: new Date(at).toISOString(), details: JSON.parse(details), ...shown };
}

type DecisionRow = OfRun & Omit<TracedDecision, "message" | "tool"> & { question: string };

function toDecision({ question, decision, ...row }: DecisionRow): TracedDecision & OfRun {
  const { message = "", tool = null } = JSON.parse(question) as { message?: string; tool?: string };
  const kind = decision === null ? null : String(JSON.parse(decision).decision);
  return { ...row, message, tool, decision: kind };
}

type DeliveryRow = Omit<TracedDelivery, "type"> & { event: string };

function toDelivery({ event, ...row }: DeliveryRow): TracedDelivery & OfRun {
  const { type, data } = JSON.parse(event) as { type: string; data?: { run_id?: string } }; // we wrote it
  return { ...row, type, run_id: data?.run_id ?? "" };
}

const ENDS: Readonly<Record<string, string>> = {
  "run.settled": "settled",
  "run.waiting": "waiting",
  "run.postponed": "postponed",
};

/** Who had the run when, from the event log; with its levels off, what the checkpoints tell. */
function attemptsOf(
  log: readonly LogEntry[],
  steps: readonly StepView[],
  tools: readonly TracedTool[],
): TracedAttempt[] {
  const found = new Map<number, TracedAttempt>();
  const at = (attempt: number) => {
    const known = found.get(attempt);
    if (known !== undefined) return known;
    const fresh: TracedAttempt = {
      attempt,
      worker: null,
      began_at: null,
      ended_at: null,
      end: null,
      steps: [],
      tools: [],
    };
    found.set(attempt, fresh);
    return fresh;
  };
  for (const { type, at: moment, who, details } of log) {
    const begins = type === "run.claimed" || details["status"] === "running";
    if (begins) {
      const attempt = Number(details["attempt"] ?? 1);
      const before = found.get(attempt - 1);
      if (before !== undefined && before.end === null)
        Object.assign(before, { end: "taken over", ended_at: moment });
      const worker = String(details["worker"] ?? who.replace(/^worker:/, ""));
      Object.assign(at(attempt), { worker, began_at: moment });
    }
    const end = ENDS[type];
    const last = [...found.values()].at(-1);
    if (end !== undefined && last !== undefined && last.end === null)
      Object.assign(last, { end, ended_at: moment });
  }
  for (const step of steps) at(step.attempt).steps.push(step);
  const attempts = [...found.values()].toSorted((a, b) => a.attempt - b.attempt);
  for (const tool of tools) inWhichIt(attempts, tool)?.tools.push(tool);
  return attempts;
}

/** A call belongs to the attempt that was at work when it began. */
function inWhichIt(attempts: readonly TracedAttempt[], tool: TracedTool): TracedAttempt | undefined {
  const moment = new Date(tool.began_at ?? tool.ended_at ?? 0).getTime();
  const begun = attempts.filter(
    ({ began_at }) => began_at !== null && new Date(began_at).getTime() <= moment,
  );
  return begun.at(-1) ?? attempts[0];
}
