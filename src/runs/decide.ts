import type { DecisionKind } from "../agents/question.ts";
import { AgentError } from "../errors/agent-error.ts";
import { BY_DEADLINE, type ResumeRequest, type SentDecision } from "../events/resume.ts";
import { crashPoint } from "../lifetime/crash-point.ts";
import type { Database, Queryable } from "../postgres/database.ts";
import { checkDecision, type Decider, isAsked, isSame, notAllowed, toAnswer } from "./decision-rules.ts";
import { ACTOR, actorOf, type Caller, isOwner, notYours } from "./owner.ts";
import type { RunStatus } from "./run.ts";

export type DecideRequest = {
  jobId: string;
  resume: ResumeRequest;
  /** Who decides, where the door tells callers apart. */
  caller?: Caller | undefined;
  /** The event that brought the decisions, so that a copy of it is known. */
  event?: { source: string; eventId: string } | undefined;
};

/**
 * The run that was decided on. `released`: it goes on; `open`: it waits for other decisions; `nothing`:
 * all of it had been decided so before; `copy`: of an event that was taken before.
 */
export type Decided = {
  kind: "released" | "open" | "nothing" | "copy";
  runId: string;
  status: RunStatus;
  waitNo: number;
  /** The job is someone else's: who was asked may decide, and learns nothing of what comes of it. */
  byGuest: boolean;
  /** Of the run that asked; absent for a copy. */
  traceparent?: string | null;
};

type Row = {
  interruptId: string;
  question: string;
  digest: string;
  allowed: DecisionKind[];
  decision: string | null;
  decidedBy: string | null;
  isExpired: boolean;
  runId: string;
  traceparent: string | null;
  waitNo: number;
  runStatus: RunStatus;
  runWaitNo: number;
};

const INTERRUPTS = `
  select i.interrupt_id as "interruptId", i.question, i.args_digest as digest, i.allowed, i.decision,
         i.decided_by as "decidedBy", coalesce(i.expires_at <= clock_timestamp(), false) as "isExpired",
         r.run_id as "runId", r.traceparent, i.wait_no as "waitNo", r.status as "runStatus", r.wait_no as "runWaitNo"
    from interrupts i join runs r on r.run_id = i.run_id
   where r.job_id = $1 and (i.interrupt_id = any($2::uuid[]) or ($3 and r.status = 'waiting' and i.wait_no = r.wait_no))`;

const DECIDE = `
  update interrupts set decision = $2, decided_by = $3, decided_at = now()
   where interrupt_id = $1 and decision is null returning 1`;

/** A run goes on when every question of its wait has its answer. */
const RELEASE = `
  update runs r set status = 'queued', not_before = now()
   where r.run_id = $1 and r.status = 'waiting'
     and not exists (select 1 from interrupts i
                      where i.run_id = r.run_id and i.wait_no = r.wait_no and i.decision is null)
  returning 1`;

/**
 * Writes decisions down, all or none, under the lock of the job: of an approval, a rejection, a cancel
 * and a deadline at the same instant one is first, and the others see it.
 */
export async function decide(db: Database, request: DecideRequest): Promise<Decided> {
  return await db.transaction(async (tx) => {
    const { caller } = request;
    const byGuest = !isOwner(await lockJob(tx, request.jobId, actorOf(caller, request.event)), caller);
    const known = request.event && (await alreadyTaken(tx, request.event, caller));
    if (known) return known;
    const rows = await interruptsOf(tx, request).catch((error) => {
      throw byGuest ? notYours() : error; // what there is and what not is not theirs to know
    });
    if (byGuest && !rows.every((row) => caller && mayDecide(row, caller))) throw notYours();
    const decisions =
      "resume" in request.resume ? [asDecision(rows, request.resume.resume)] : request.resume.decisions;
    let written = 0;
    for (const decision of decisions) if (await decideOne(tx, decision, rows, caller)) written++;
    const [first] = rows;
    if (first === undefined) throw unknownInterrupt("");
    const released = await release(tx, first.runId);
    crashPoint("decision: written, not committed");
    if (request.event) await remember(tx, request.event, first.runId);
    const { runId, runStatus, runWaitNo, traceparent } = first;
    const run = { runId, waitNo: runWaitNo, byGuest, traceparent };
    if (released) return { kind: "released", status: "queued", ...run };
    return { kind: written === 0 ? "nothing" : "open", status: runStatus, ...run };
  });
}

/** Who has a link was asked by whoever made it; else the question itself says whom it asks. */
function mayDecide({ interruptId, digest, question }: Row, caller: Caller): boolean {
  const { link } = caller;
  if (link !== undefined) return link.interruptId === interruptId && link.argsDigest === digest;
  return isAsked(question, caller);
}

/** Lets a run go on whose questions are all answered. */
export async function release(tx: Queryable, runId: string): Promise<boolean> {
  return (await tx.query("release-run", RELEASE, [runId])).length > 0;
}

/** Gives the job's owner. `actor` is who stands in the event log for what this transaction does. */
export async function lockJob(tx: Queryable, jobId: string, actor: string): Promise<string | null> {
  const [job] = await tx.query<{ owner: string | null }>(
    "lock-job",
    `select owner, ${ACTOR} from jobs where job_id = $1 for update`,
    [jobId, actor],
  );
  if (job === undefined) throw new AgentError("unknown_job", "no job of this id is stored");
  return job.owner;
}

async function interruptsOf(tx: Queryable, { jobId, resume }: DecideRequest): Promise<Row[]> {
  const ids = "resume" in resume ? [] : resume.decisions.map(({ interruptId }) => interruptId);
  const rows = await tx.query<Row>("decide-interrupts", INTERRUPTS, [jobId, ids, "resume" in resume]);
  for (const id of ids) if (!rows.some((row) => row.interruptId === id)) throw unknownInterrupt(id);
  if (rows.length === 0) throw await nothingWaits(tx, jobId);
  if (new Set(rows.map(({ runId, waitNo }) => `${runId} ${waitNo}`)).size > 1) {
    throw new AgentError("invalid_event", "the decisions are for different waits: send one event for each");
  }
  return rows;
}

async function nothingWaits(tx: Queryable, jobId: string): Promise<AgentError> {
  const live = await tx.query(
    "decide-live",
    "select 1 from runs where job_id = $1 and status in ('queued', 'running')",
    [jobId],
  );
  if (live.length === 0) return unknownInterrupt("");
  return new AgentError("run_in_progress", "the job is at work: it asks nothing now", {
    retryAfterSeconds: 5,
  });
}

/** `resume` names no question: it must be clear which one is meant. */
function asDecision(rows: readonly Row[], value: unknown): SentDecision {
  const open = rows.filter(({ decision }) => decision === null);
  const [row] = open;
  if (row === undefined || open.length > 1 || !row.allowed.includes("respond")) {
    throw notAllowed("resume is for a run with one plain question: send decisions with interrupt_id instead");
  }
  return { interruptId: row.interruptId, decision: "respond", value };
}

async function decideOne(
  tx: Queryable,
  decision: SentDecision,
  rows: readonly Row[],
  decider: Decider | undefined,
): Promise<boolean> {
  const row = rows.find(({ interruptId }) => interruptId === decision.interruptId);
  if (row === undefined) throw unknownInterrupt(decision.interruptId);
  const answer = toAnswer(decision, decider);
  const text = JSON.stringify(answer);
  if (row.decision !== null) {
    if (row.decidedBy === BY_DEADLINE) throw timeIsOver();
    if (isSame(row.decision, answer)) return false;
    throw new AgentError(
      "interrupt_answered",
      `this interrupt was answered already, by ${row.decidedBy ?? "someone"}`,
    );
  }
  if (row.runStatus !== "waiting" || row.waitNo !== row.runWaitNo) {
    throw new AgentError(
      "interrupt_closed",
      `the run is ${row.runStatus}: it does not wait for this any more`,
    );
  }
  if (row.isExpired) throw timeIsOver();
  checkDecision(decision, row, answer.approver, decider);
  await tx.query("decide", DECIDE, [row.interruptId, text, answer.approver ?? null]);
  return true;
}

type Known = { runId: string; status: RunStatus; waitNo: number; owner: string | null; hasDecided: boolean };

const KNOWN = `
  select r.run_id as "runId", r.status, r.wait_no as "waitNo", j.owner,
         exists (select 1 from interrupts i where i.run_id = r.run_id and i.decided_by = $3) as "hasDecided"
    from events e join runs r on r.run_id = e.run_id join jobs j on j.job_id = r.job_id
   where e.source = $1 and e.event_id = $2`;

async function alreadyTaken(
  tx: Queryable,
  { source, eventId }: { source: string; eventId: string },
  caller: Caller | undefined,
): Promise<Decided | undefined> {
  const [row] = await tx.query<Known>("resume-known", KNOWN, [source, eventId, caller?.subject ?? null]);
  if (row === undefined) return undefined;
  const { owner, hasDecided, ...event } = row;
  const byGuest = !isOwner(owner, caller);
  if (byGuest && !hasDecided) throw notYours();
  const open = await tx.query(
    "resume-open",
    "select 1 from interrupts where run_id = $1 and wait_no = $2 and decision is not null",
    [event.runId, event.waitNo],
  );
  // It waits, and some of this wait are decided: what the event brought is among them.
  return { kind: event.status === "waiting" && open.length > 0 ? "open" : "copy", ...event, byGuest };
}

async function remember(
  tx: Queryable,
  { source, eventId }: { source: string; eventId: string },
  runId: string,
): Promise<void> {
  await tx.query(
    "resume-remember",
    "insert into events (source, event_id, kind, run_id) values ($1, $2, 'resume', $3) on conflict do nothing",
    [source, eventId, runId],
  );
}

function timeIsOver(): AgentError {
  return new AgentError("interrupt_closed", "the time to decide is over");
}

function unknownInterrupt(id: string): AgentError {
  return new AgentError(
    "unknown_interrupt",
    id === "" ? "the job waits for nobody" : `no interrupt ${id} of this job`,
  );
}
