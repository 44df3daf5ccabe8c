import { AgentError } from "../errors/agent-error.ts";
import { callDigest } from "./definition-hash.ts";
import { isRecord } from "./json.ts";

export const DECISIONS = ["approve", "edit", "reject", "respond"] as const;
export type DecisionKind = (typeof DECISIONS)[number];

/** What a person is asked, in the shape in which our own tools and nodes hand it to `interrupt()`. */
export type Question = {
  /** `tool`: may it be called? `unknown_outcome`: it was cut, what now? `approval`: a node. `question`: a graph's own. */
  kind: "tool" | "unknown_outcome" | "approval" | "question";
  message: string;
  allowed: readonly DecisionKind[];
  tool?: string;
  args?: unknown;
  /** JSON Schema that edited arguments must fit. */
  schema?: Record<string, unknown>;
  /** What an approval node shows, or what a graph handed to `interrupt()`. */
  value?: unknown;
  expires_in_seconds?: number;
  default?: "approve" | "reject";
  approvers?: readonly string[];
};

/** What a question of ours gets as its answer; one of a graph's own gets the value of `respond`. */
export type Answer = {
  decision: DecisionKind;
  args?: unknown;
  value?: unknown;
  comment?: string;
  approver?: string;
};

const MARK = "agent_executor_question";
const MESSAGE_LENGTH = 500;

/** As it goes through the graph. */
export function marked(question: Question): Record<typeof MARK, Question> {
  return { [MARK]: question };
}

/** What was asked, whoever asked it. */
export function readQuestion(value: unknown): Question {
  const ours = isRecord(value) ? value[MARK] : undefined;
  if (isRecord(ours)) return ours as unknown as Question; // made by `marked`, or a graph's author says so
  const message = typeof value === "string" ? value.slice(0, MESSAGE_LENGTH) : "The graph asks for a value.";
  return { kind: "question", message, allowed: ["respond"], value };
}

/** Names what a person was shown: a decision for other arguments is no decision for these. */
export function questionDigest(question: Question): string {
  return callDigest(question.tool ?? question.kind, question.args ?? question.value ?? null);
}

/** What the graph gets: a question of its own is answered by a value, ours by the whole decision. */
export function answerFor(question: Question, answer: Answer): unknown {
  return question.kind === "question" ? (answer.value ?? null) : answer;
}

/** The decision that came back to a question of ours. */
export function readAnswer(answer: unknown): Answer {
  if (isRecord(answer) && DECISIONS.some((kind) => kind === answer["decision"])) return answer as Answer;
  throw new AgentError("internal", "an approval was answered with something that is no decision");
}
