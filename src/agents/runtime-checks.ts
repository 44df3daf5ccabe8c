import type { TSchema } from "typebox";
import { Check, Errors } from "typebox/schema";
import { AgentError } from "../errors/agent-error.ts";
import { type Report, schemaProblem } from "./definition-problem.ts";
import { below, isRecord, listOf } from "./json.ts";
import { runtimesByType } from "./tool-runtimes.ts";

/**
 * Checks each `runtime` by the schema of its own type. The schema of the whole says the same, but its
 * validator tells of a branch only that it does not fit, not where.
 */
export function checkRuntimes(body: unknown, report: Report): void {
  if (!isRecord(body)) return;
  listOf(body["tool_definitions"]).forEach((tool, i) => {
    const runtime = isRecord(tool) ? tool["runtime"] : undefined;
    const type = isRecord(runtime) ? String(runtime["type"]) : "";
    if (!Object.hasOwn(runtimesByType, type)) return;
    const schema: TSchema = runtimesByType[type as keyof typeof runtimesByType];
    if (Check(schema, runtime)) return;
    const [, problems] = Errors(schema, runtime);
    const { code, message, path = "" } = schemaProblem(schema, runtime, problems);
    const at = below(below("/tool_definitions", i), "runtime");
    report(new AgentError(code, message, { path: at + path }));
  });
}
