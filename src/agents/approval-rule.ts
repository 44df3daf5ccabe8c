import { parse } from "@marcbachmann/cel-js";
import { type Static, Type } from "typebox";
import { invalid } from "./definition-problem.ts";
import { below } from "./json.ts";
import type { DecisionKind, Question } from "./question.ts";
import { strict } from "./schema-parts.ts";

const decisionKinds = ["approve", "edit", "reject", "respond"] as const;

/** How a person is asked; the same for tools and for nodes. */
export const terms = {
  message: Type.Optional(
    Type.String({ description: "What the person is asked.", minLength: 1, maxLength: 2000 }),
  ),
  allowed: Type.Optional(
    Type.Array(Type.Enum(decisionKinds), {
      description: "What may be decided; default approve, edit and reject, for a node approve and reject.",
      minItems: 1,
      maxItems: 4,
      uniqueItems: true,
    }),
  ),
  expires_in_seconds: Type.Optional(
    Type.Number({
      description: "After so long the default is decided.",
      exclusiveMinimum: 0,
      maximum: 31_536_000,
    }),
  ),
  default: Type.Optional(
    Type.Enum(["reject", "approve"], {
      description: "What is decided when the time is over; default `reject`.",
    }),
  ),
  approvers: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
      description: "Subjects and groups that may decide; default everybody who may touch the job.",
      minItems: 1,
      maxItems: 100,
    }),
  ),
};

/** `approval` of a tool. */
export const ToolApproval = Type.Union(
  [
    Type.Boolean(),
    Type.Object(
      {
        when: Type.Optional(
          Type.String({
            description: "CEL over `args`: asked only where it is true, or cannot be told.",
            minLength: 1,
            maxLength: 2000,
          }),
        ),
        ...terms,
      },
      strict,
    ),
  ],
  { description: "Whether a person must allow a call: always, or `when`." },
);

type SentTerms = { [Key in keyof typeof terms]?: unknown } & {
  message?: string;
  allowed?: DecisionKind[];
  expires_in_seconds?: number;
  default?: "approve" | "reject";
  approvers?: string[];
};

export type QuestionTerms = Pick<Question, "allowed" | "expires_in_seconds" | "default" | "approvers">;

export type ApprovalRule = {
  applies(args: unknown): boolean;
  message: string | undefined;
  terms: QuestionTerms;
};

/** The rule of a tool's `approval`, or none. */
export function readApproval(
  sent: Static<typeof ToolApproval> | undefined,
  path: string,
): ApprovalRule | undefined {
  if (sent === undefined || sent === false) return undefined;
  const rule = sent === true ? {} : sent;
  return {
    applies: rule.when === undefined ? () => true : condition(rule.when, below(path, "when")),
    message: rule.message,
    terms: readTerms(rule, ["approve", "edit", "reject"]),
  };
}

export function readTerms(sent: SentTerms, usually: readonly DecisionKind[]): QuestionTerms {
  return {
    allowed: sent.allowed ?? usually,
    ...(sent.expires_in_seconds !== undefined && { expires_in_seconds: sent.expires_in_seconds }),
    ...(sent.default !== undefined && { default: sent.default }),
    ...(sent.approvers !== undefined && { approvers: sent.approvers }),
  };
}

function condition(source: string, path: string): (args: unknown) => boolean {
  const evaluate = compiled(source, path);
  return (args) => {
    try {
      return evaluate({ args }) !== false;
    } catch {
      return true; // an argument that it compares is missing: better asked once too often
    }
  };
}

function compiled(source: string, path: string): (context: Record<string, unknown>) => unknown {
  try {
    return parse(source);
  } catch (error) {
    const [what = "no CEL expression"] = error instanceof Error ? error.message.split("\n") : [];
    throw invalid(`is no CEL expression: ${what}`, path);
  }
}
