import { AgentError } from "../errors/agent-error.ts";
import { redactJson } from "../observability/redaction.ts";
import type { Queryable } from "../postgres/database.ts";

/** A question as its `interrupted` event showed it, and what was decided. */
export type InterruptView = {
  interrupt_id: string;
  job_id: string;
  args_digest: string;
  approvers?: string[];
  expires_at?: string;
  decision?: string;
  decided_by?: string | null;
};

type Row = {
  question: string;
  digest: string;
  allowed: string[];
  expiresAt: Date | null;
  decision: string | null;
  decidedBy: string | null;
  isOpen: boolean;
};

export async function readInterrupt(
  db: Queryable,
  jobId: string,
  interruptId: string,
): Promise<InterruptView> {
  const [row] = await db.query<Row>(
    "read-interrupt",
    `select i.question, i.args_digest as digest, i.allowed, i.expires_at as "expiresAt", i.decision,
            i.decided_by as "decidedBy", r.status = 'waiting' and r.wait_no = i.wait_no as "isOpen"
       from interrupts i join runs r on r.run_id = i.run_id where i.interrupt_id = $2 and r.job_id = $1`,
    [jobId, interruptId],
  );
  if (row === undefined) throw new AgentError("unknown_interrupt", "no such interrupt of this job");
  const { kind, message, tool, args, value, approvers } = JSON.parse(row.question); // written by settleWaiting
  const decided =
    row.decision ?? (row.isOpen ? null : JSON.stringify({ decision: "none: the run has ended" }));
  return redactJson({
    ...{ interrupt_id: interruptId, job_id: jobId, kind, message, allowed: row.allowed },
    ...{ args_digest: row.digest, tool, args, value, approvers },
    ...(row.expiresAt && { expires_at: row.expiresAt.toISOString() }),
    ...(decided !== null && { decision: JSON.parse(decided).decision, decided_by: row.decidedBy }),
  });
}
