import { type Answer, answerFor, type Question, questionDigest, readQuestion } from "../agents/question.ts";
import type { PendingQuestion } from "../checkpoints/questions.ts";
import type { Queryable } from "../postgres/database.ts";

type Row = { graphId: string; answered: number; digest: string; question: string; decision: string };

const DECISIONS = `
  select graph_id as "graphId", answered, args_digest as digest, question, decision
    from interrupts where run_id = $1 and wait_no = $2 and decision is not null`;

/**
 * What the graph is told when a run goes on behind a wait: the decisions that no checkpoint shows as
 * consumed. A consumed one that is handed over again would answer the next question of its task, so
 * each goes only to a question that is pending, in the same place and for the same arguments.
 */
export async function unconsumedAnswers(
  db: Queryable,
  run: { runId: string; waitNo: number },
  pending: readonly PendingQuestion[],
): Promise<Record<string, unknown> | undefined> {
  const rows = await db.query<Row>("decisions-of-wait", DECISIONS, [run.runId, run.waitNo]);
  const answers: Record<string, unknown> = {};
  for (const { graphId, answered, digest, question, decision } of rows) {
    const isPending = pending.some(
      (each) =>
        each.graphId === graphId &&
        each.answered === answered &&
        questionDigest(readQuestion(each.value)) === digest,
    );
    // Both were written by us: settleWaiting, decide.
    if (isPending)
      answers[graphId] = answerFor(JSON.parse(question) as Question, JSON.parse(decision) as Answer);
  }
  return Object.keys(answers).length === 0 ? undefined : answers;
}
