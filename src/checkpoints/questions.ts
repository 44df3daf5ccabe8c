import type { SerializerProtocol } from "@langchain/langgraph-checkpoint";
import type { Queryable } from "../postgres/database.ts";

/** An `interrupt()` that waits for its answer. */
export type PendingQuestion = {
  /** LangGraph's: the same for all questions of one task. */
  graphId: string;
  /** What was handed to `interrupt()`. */
  value: unknown;
  /** Answers that its task had taken before it asked this. */
  answered: number;
};

/**
 * At the newest checkpoint of each namespace of the run. A parent's task keeps one of the questions of
 * its sub-graph only, so they are read where they were asked.
 */
const PENDING = `
  with newest as (
    select distinct on (checkpoint_ns) checkpoint_ns, checkpoint_id
      from checkpoints where thread_id = $1 and metadata ->> 'run_id' = $2
     order by checkpoint_ns, (metadata ->> 'attempt')::integer desc,
              (metadata ->> 'step')::integer desc nulls last, checkpoint_id desc),
  written as (
    select w.checkpoint_ns, w.task_id, w.channel, w.type, w.blob
      from newest n join checkpoint_writes w
        on w.thread_id = $1 and w.checkpoint_ns = n.checkpoint_ns and w.checkpoint_id = n.checkpoint_id)
  select w.checkpoint_ns as ns, w.task_id as task, w.channel, w.type, encode(w.blob, 'base64') as content
    from written w
   where w.channel in ('__interrupt__', '__resume__')
     and not exists (select 1 from written o
                      where o.checkpoint_ns = w.checkpoint_ns and o.task_id = w.task_id
                        and o.channel not in ('__interrupt__', '__resume__', '__error__'))
   order by length(w.checkpoint_ns) desc, w.task_id`;

type Row = { ns: string; task: string; channel: string; type: string; content: string };

/** What the run waits for, each question once. */
export async function pendingQuestions(
  db: Queryable,
  serde: SerializerProtocol,
  run: { jobId: string; runId: string },
): Promise<PendingQuestion[]> {
  const rows = await db.query<Row>("pending-questions", PENDING, [run.jobId, run.runId]);
  const values = await Promise.all(
    rows.map((row) => serde.loadsTyped(row.type, Buffer.from(row.content, "base64"))),
  );
  const taken = new Map<string, number>();
  rows.forEach(({ ns, task, channel }, i) => {
    const answers: unknown = values[i];
    if (channel === "__resume__" && Array.isArray(answers)) taken.set(`${ns} ${task}`, answers.length);
  });
  const questions = new Map<string, PendingQuestion>();
  rows.forEach(({ ns, task, channel }, i) => {
    const asked = values[i] as { id?: string; value?: unknown } | null; // LangGraph's Interrupt
    if (channel !== "__interrupt__" || typeof asked?.id !== "string" || questions.has(asked.id)) return;
    const answered = taken.get(`${ns} ${task}`) ?? 0;
    questions.set(asked.id, { graphId: asked.id, value: asked.value, answered });
  });
  return [...questions.values()];
}
