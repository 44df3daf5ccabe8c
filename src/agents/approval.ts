import { interrupt } from "@langchain/langgraph";
import { type Answer, marked, type Question, readAnswer } from "./question.ts";
import type { ToolDefinition } from "./tool-definition.ts";

/** What a person's decision means for a call. */
export type Permission =
  | { kind: "call"; args: unknown }
  /** The call is not made; the model is told this instead. */
  | { kind: "told"; content: string; status: "success" | "error" };

/** Ends the step until somebody has decided; when the step runs again it gives their decision. */
export function ask(question: Question): Answer {
  return readAnswer(interrupt(marked(question)));
}

/** Asks before a call, where its tool wants that; the arguments that come back have been checked. */
export function permission(tool: ToolDefinition, args: unknown): Permission {
  const rule = tool.approval;
  if (rule === undefined || !rule.applies(args)) return { kind: "call", args };
  const answer = ask({
    kind: "tool",
    tool: tool.name,
    args,
    schema: tool.parameters,
    message: rule.message ?? `May "${tool.name}" be called with these arguments?`,
    ...rule.terms,
  });
  switch (answer.decision) {
    case "approve":
      return { kind: "call", args };
    case "edit":
      return { kind: "call", args: answer.args };
    case "respond":
      return { kind: "told", content: asText(answer.value), status: "success" };
    case "reject":
      return { kind: "told", content: refusal(answer.comment), status: "error" };
  }
}

/** What a person says about a call that was cut off: whether it took effect only they can find out. */
export function judgement(tool: ToolDefinition, args: unknown, idempotencyKey: string): Permission {
  const answer = ask({
    kind: "unknown_outcome",
    tool: tool.name,
    args,
    message:
      `A call of "${tool.name}" was cut off and may have taken effect (idempotency key ${idempotencyKey}). ` +
      "Approve: call it again. Respond: this was its result. Reject: the model is told that it failed.",
    allowed: ["approve", "respond", "reject"],
  });
  if (answer.decision === "approve") return { kind: "call", args };
  if (answer.decision === "respond")
    return { kind: "told", content: asText(answer.value), status: "success" };
  const content = `The call was cut off; whether it took effect is not known.${said(answer.comment)}`;
  return { kind: "told", content, status: "error" };
}

function refusal(comment: string | undefined): string {
  return `The call was not approved and nothing was called.${said(comment)}`;
}

function said(comment: string | undefined): string {
  return comment === undefined || comment === "" ? "" : ` The reviewer says: ${comment}`;
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "null");
}
