import { questionDigest, readQuestion } from "../agents/question.ts";
import type { PendingQuestion } from "../checkpoints/questions.ts";
import { uuidV5 } from "../events/ids.ts";
import { encodeStructured, outcomeEvent } from "../events/outgoing.ts";
import { redactJson } from "../observability/redaction.ts";
import { childOf, parseTraceparent } from "../observability/traceparent.ts";
import type { Queryable } from "../postgres/database.ts";
import { cancelledOutcome, reasonToEnd } from "./cancel.ts";
import type { ClaimedRun, Usage } from "./run.ts";
import { type Sender, type Settled, sentBy, settleRun } from "./settle.ts";

/** A run whose graph asks: it lets go of its worker until it is answered. */
export type Interrupted = { kind: "interrupted"; questions: readonly PendingQuestion[]; usage: Usage };

// The ids of all questions that were ever asked hang on it: never change.
const NAMESPACE = "2f0f7a58-9c43-4b1e-8f0c-6e0a4b7d51c3";

/** As `settle-run`, but the job stays occupied. Who asked for a cancel meanwhile goes before a question. */
const WAIT = `
  with settled as (
    update runs
       set status = 'waiting', wait_no = wait_no + 1, outcome = $3, usage = $4,
           leased_by = null, leased_until = null, failures = 0
     where run_id = $1 and attempt = $2 and status = 'running' and cancel_requested_at is null
    returning run_id, job_id, wait_no, to_nats),
  job as (
    update jobs set last_event_no = last_event_no + 1 from settled where jobs.job_id = settled.job_id
    returning jobs.job_id, jobs.last_event_no),
  asked as (
    insert into interrupts (interrupt_id, run_id, wait_no, graph_id, answered, args_digest, allowed,
                            expires_at, question, default_decision)
    select q.interrupt_id::uuid, settled.run_id, settled.wait_no, q.graph_id, q.answered, q.digest,
           string_to_array(q.allowed, ','), nullif(q.expires_at, '')::timestamptz, q.question, q.fallback
      from settled, unnest($9::text[], $10::text[], $11::integer[], $12::text[], $13::text[], $14::text[],
                           $15::text[], $16::text[])
                    as q (interrupt_id, graph_id, answered, digest, allowed, expires_at, question, fallback)),
  ${sentBy({ id: "$5", bytes: "$6", targets: "$7", restSeconds: "$8" })}
  select others.pending as "behindOthers", (select to_nats from settled) as "toNats" from job, others`;

/** Stores the questions and the event that tells of them; the run waits from here on. */
export async function settleWaiting(
  db: Queryable,
  run: Pick<ClaimedRun, "runId" | "jobId" | "attempt" | "eventId" | "traceparent" | "waitNo">,
  { questions, usage }: Interrupted,
  sender: Sender,
): Promise<Settled> {
  // Deadlines are the database's, like leases: every process must see the same one.
  const [clock] = await db.query<{ now: Date }>("now", "select clock_timestamp() as now");
  const now = clock?.now ?? new Date();
  const waitNo = run.waitNo + 1;
  const asked = questions.map((question) => describe(run.runId, waitNo, question, now));
  const parent = parseTraceparent(run.traceparent ?? undefined);
  const whole = outcomeEvent({
    ...{ prefix: sender.prefix, source: sender.source, overrides: sender.overrides },
    ...{ runId: run.runId, jobId: run.jobId, kind: "interrupted", waitNo, causationId: run.eventId },
    data: { job_id: run.jobId, run_id: run.runId, interrupts: asked.map(({ shown }) => shown), usage },
    time: now,
    ...(parent && { traceparent: childOf(parent) }),
  });
  const event = { ...whole, data: redactJson(whole.data) };
  const bytes = encodeStructured(event);
  const [row] = await db.query<{ behindOthers: boolean; toNats: boolean }>("settle-waiting", WAIT, [
    run.runId,
    run.attempt,
    JSON.stringify(event.data),
    JSON.stringify(usage),
    event.id,
    bytes,
    sender.targets,
    sender.firstAttemptSeconds,
    asked.map(({ shown }) => shown.interrupt_id),
    questions.map(({ graphId }) => graphId),
    questions.map(({ answered }) => answered),
    asked.map(({ shown }) => shown.args_digest),
    asked.map(({ shown }) => shown.allowed.join(",")),
    asked.map(({ shown }) => shown.expires_at ?? ""),
    asked.map(({ question }) => JSON.stringify(question)),
    asked.map(({ question }) => question.default ?? "reject"),
  ]);
  if (row === undefined) return await settleCancelled(db, run, usage, sender);
  const { runId, jobId, attempt } = run;
  const { id: eventId, data } = event;
  const settled = { runId, jobId, attempt, eventId, kind: "interrupted" as const, data, event: bytes };
  return { ...settled, ...row, jobHasQueued: false };
}

/** No row was ours: somebody asked for the end of the run just now, or it is not ours any more. */
async function settleCancelled(
  db: Queryable,
  run: Parameters<typeof settleWaiting>[1],
  usage: Usage,
  sender: Sender,
): Promise<Settled> {
  return await settleRun(db, run, cancelledOutcome(await reasonToEnd(db, run), usage), sender);
}

/** What a question looks like to people; `question` keeps with it what only we need. */
function describe(runId: string, waitNo: number, { graphId, value }: PendingQuestion, now: Date) {
  const question = readQuestion(value);
  const { kind, message, allowed, tool, args, approvers, expires_in_seconds: seconds } = question;
  const shown = {
    interrupt_id: uuidV5(NAMESPACE, `${runId}:${graphId}:${waitNo}`),
    kind,
    ...(tool !== undefined && { tool, args }),
    ...(question.value !== undefined && { value: question.value }),
    args_digest: questionDigest(question),
    allowed,
    message,
    ...(approvers && { approvers }),
    ...(seconds !== undefined && { expires_at: new Date(now.getTime() + seconds * 1000).toISOString() }),
  };
  return { shown, question };
}
