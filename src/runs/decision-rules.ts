import { readInputSchema } from "../agents/input-schema.ts";
import type { Answer, DecisionKind, Question } from "../agents/question.ts";
import { AgentError } from "../errors/agent-error.ts";
import type { SentDecision } from "../events/resume.ts";

/** Who decides, where callers are checked. */
export type Decider = { subject: string; groups: readonly string[] };

/** Who is known by a token counts as who decided, whatever the decision says. */
export function toAnswer(decision: SentDecision, decider: Decider | undefined): Answer {
  const { decision: kind, args, value, comment } = decision;
  const approver = decider?.subject ?? decision.approver;
  return {
    decision: kind,
    ...(args !== undefined && { args }),
    ...(value !== undefined && { value }),
    ...(comment !== undefined && { comment }),
    ...(approver !== undefined && { approver }),
  };
}

/** The same decision again is no second one; who sends it again may be another. */
export function isSame(stored: string, { approver: _, comment: __, ...answer }: Answer): boolean {
  const { approver: ___, comment: ____, ...before } = JSON.parse(stored) as Answer; // written below
  return JSON.stringify(before) === JSON.stringify(answer);
}

/** Throws where a decision does not fit what was asked, or who asks may not decide. */
export function checkDecision(
  decision: SentDecision,
  row: { question: string; digest: string; allowed: readonly DecisionKind[] },
  approver: string | undefined,
  decider: Decider | undefined,
): void {
  const question = JSON.parse(row.question) as Question; // written by settleWaiting
  if (!row.allowed.includes(decision.decision)) {
    throw notAllowed(`only ${row.allowed.join(", ")} may be decided here`);
  }
  if (decision.argsDigest !== undefined && decision.argsDigest !== row.digest) {
    throw notAllowed("args_digest is that of other arguments: look at what is asked now");
  }
  if (decision.decision === "edit" && question.schema !== undefined) {
    const problem = readInputSchema(question.schema, "")(decision.args);
    if (problem !== undefined) throw notAllowed(`args do not fit the tool: ${problem}`);
  }
  const { approvers } = question;
  const names = [...(decider?.groups ?? []), ...(approver === undefined ? [] : [approver])];
  if (approvers !== undefined && !approvers.some((each) => names.includes(each))) {
    throw new AgentError("forbidden", `only ${approvers.join(", ")} may decide this`);
  }
}

/** Whether the question itself asks this person, or a group of theirs. */
export function isAsked(stored: string, { subject, groups }: Decider): boolean {
  const { approvers = [] } = JSON.parse(stored) as Question; // written by settleWaiting
  return approvers.some((each) => each === subject || groups.includes(each));
}

export function notAllowed(message: string): AgentError {
  return new AgentError("decision_not_allowed", message);
}
