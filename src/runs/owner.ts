import { AgentError } from "../errors/agent-error.ts";
import type { Queryable } from "../postgres/database.ts";

/**
 * Who asks, as the door has verified. No caller at all means that nobody is told apart: OIDC is not
 * configured, or the door trusts all who get in (NATS, the command line).
 */
export type Caller = {
  readonly subject: string;
  /** Groups that the token names; `approvers` of a question may be groups. */
  readonly groups: readonly string[];
  /** May see and touch every job. */
  readonly isOperator: boolean;
  /** Comes by a link, which is good for this question of this job and nothing else. */
  readonly link?: { readonly jobId: string; readonly interruptId: string; readonly argsDigest: string };
};

/** A job belongs to the subject that started it. One without an owner belongs to the operators. */
export function isOwner(owner: string | null, caller: Caller | undefined): boolean {
  if (caller === undefined || caller.isOperator) return true;
  return caller.link === undefined && owner === caller.subject;
}

export function requireOwner(owner: string | null, caller: Caller | undefined): void {
  if (!isOwner(owner, caller)) throw notYours();
}

/** Throws unless the job is there and the caller may see and touch it: 404, 403. */
export async function requireOwnJob(db: Queryable, jobId: string, caller: Caller | undefined): Promise<void> {
  const [job] = await db.query<{ owner: string | null }>(
    "job-owner",
    "select owner from jobs where job_id = $1",
    [jobId],
  );
  if (job === undefined) throw new AgentError("unknown_job", "no job of this id is stored");
  requireOwner(job.owner, caller);
}

/** The refusal of everything about a job that is someone else's; it says nothing about the job. */
export function notYours(): AgentError {
  return new AgentError("forbidden", "this job belongs to someone else");
}

/** In a select under the lock of a job: $2 stands in the event log for what the transaction does. */
export const ACTOR = "set_config('agent_executor.actor', $2, true)";

/** Who asks, for the event log: who the door has verified, else what the event says of itself. */
export function actorOf(caller: Caller | undefined, event?: { source: string }): string {
  if (caller !== undefined) return `subject:${caller.subject}`;
  return event === undefined ? "anyone" : `source:${event.source}`;
}
