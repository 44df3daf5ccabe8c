import type { Static } from "typebox";
import { type ApprovalRule, readApproval } from "./approval-rule.ts";
import { invalid } from "./definition-problem.ts";
import { type Injection, readInjections, withoutInjected } from "./injection.ts";
import { type ArgumentCheck, readInputSchema, schemaForModel } from "./input-schema.ts";
import { below } from "./json.ts";
import { isReadByDefault, readRuntime, type ToolRuntime } from "./runtime-definition.ts";
import type { Tool } from "./tool-schema.ts";

type SentTool = Static<typeof Tool>;

/** A tool in one spelling, with every default in its place. */
export type ToolDefinition = {
  name: string;
  description: string;
  /** JSON Schema of the arguments as the model is told: without those that are injected. */
  parameters: Record<string, unknown>;
  /** Of what the model gives. */
  check: ArgumentCheck;
  /** Of that and what is injected. */
  checkAll: ArgumentCheck;
  inject: readonly Injection[];
  effect: "read" | "write";
  /** What happens when a call was begun and nobody knows whether it took effect. */
  onUnknown: "retry" | "ask" | "fail";
  /** Whether a person must allow a call. */
  approval: ApprovalRule | undefined;
  timeoutSeconds: number;
  retry: { attempts: number; waitSeconds: number };
  runtime: ToolRuntime;
  /** Whether description and schema are the author's, or to be had from where the tool comes from. */
  isDescribed: { description: boolean; schema: boolean };
  /** Where it stands in the definition, for messages about it. */
  path: string;
};

export type ToolOf<T extends ToolRuntime["type"]> = ToolDefinition & {
  runtime: Extract<ToolRuntime, { type: T }>;
};

const TIMEOUT_SECONDS = 30;
/** A script computes; it has nothing to wait for. */
const SCRIPT_TIMEOUT_SECONDS = 5;

export function readTool(sent: SentTool, path: string): ToolDefinition {
  const { name, timeout_seconds, retry } = sent;
  const { runtime, about } = readRuntime(sent, path);
  const effect = sent.effect ?? (isReadByDefault(runtime) ? "read" : "write");
  if (effect === "read" && sent.on_unknown !== undefined && sent.on_unknown !== "retry") {
    throw invalid("a tool with effect read is simply called again", below(path, "on_unknown"));
  }
  const usual = runtime.type === "javascript" ? SCRIPT_TIMEOUT_SECONDS : TIMEOUT_SECONDS;
  return {
    name,
    description: sent.description ?? about?.description ?? name,
    ...readArguments(sent, about?.schema ?? sent.input_schema ?? {}, path),
    effect,
    onUnknown: sent.on_unknown ?? "fail",
    approval: readApproval(sent.approval, below(path, "approval")),
    timeoutSeconds: timeout_seconds ?? usual,
    retry: { attempts: retry?.attempts ?? 1, waitSeconds: retry?.wait_seconds ?? 1 },
    runtime,
    isDescribed: { description: sent.description !== undefined, schema: sent.input_schema !== undefined },
    path,
  };
}

/** What the model is told of the arguments, and how they are checked. */
export function readArguments(
  { inject }: Pick<SentTool, "inject">,
  schema: Record<string, unknown>,
  path: string,
): Pick<ToolDefinition, "parameters" | "check" | "checkAll" | "inject"> {
  const at = below(path, "input_schema");
  const checkAll = readInputSchema(schema, at);
  const injections = readInjections(inject, schema, below(path, "inject"));
  if (injections.length === 0) {
    return { parameters: schemaForModel(schema), check: checkAll, checkAll, inject: injections };
  }
  const shown = withoutInjected(schema, injections);
  return {
    parameters: schemaForModel(shown),
    check: readInputSchema(shown, at),
    checkAll,
    inject: injections,
  };
}
