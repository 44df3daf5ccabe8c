import { Type } from "typebox";
import { AgentError } from "../errors/agent-error.ts";
import { type ArgumentCheck, readInputSchema, schemaForModel } from "./input-schema.ts";
import { isRecord, quote } from "./json.ts";

export const OutputSchema = Type.Record(Type.String(), Type.Unknown(), {
  description: "JSON Schema of an object: the answer is given as one, checked, in `result.structured`.",
});

export type OutputDefinition = {
  schema: Record<string, unknown> & { type: "object" };
  check: ArgumentCheck;
};

/** The tool by which a model hands its answer over is named by the title. */
const TITLE = "answer";

export function readOutputSchema(sent: Record<string, unknown>, path: string): OutputDefinition {
  const check = readInputSchema(sent, path);
  return { schema: { ...schemaForModel(sent), type: "object", title: TITLE }, check };
}

/** LangChain lets a model try again where an answer does not fit; this is the last word. */
export function checkedOutput(
  output: OutputDefinition,
  node: string,
  value: unknown,
): Record<string, unknown> {
  const problem = output.check(value);
  if (problem === undefined && isRecord(value)) return value;
  const what = problem ?? "there is none";
  throw new AgentError(
    "graph_failed",
    `the answer of node ${quote(node)} does not fit its output_schema: ${what}`,
  );
}

/** How `langchain` is told. By a tool: any server that can call tools can do that. */
export async function responseFormat(output: OutputDefinition | undefined) {
  if (output === undefined) return {};
  const { toolStrategy } = await import("langchain");
  return { responseFormat: toolStrategy(output.schema) };
}
