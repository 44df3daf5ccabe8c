import { AgentError } from "../errors/agent-error.ts";
import type { Report } from "./definition-problem.ts";
import { below, isRecord, listOf } from "./json.ts";

const NO_PYTHON =
  "there are no Python engines: this version does not run that yet. Write the script as javascript, or offer it by http or mcp";

/** Refused, never ignored: an agent without its tools would answer all the same. */
export function refuseWhatIsNotYet(body: unknown, report: Report): void {
  if (!isRecord(body)) return;
  listOf(body["tool_definitions"]).forEach((tool, i) => {
    refuseInTool(tool, below("/tool_definitions", i), report);
  });
  listOf(body["nodes"]).forEach((node, i) => {
    if (!isRecord(node) || node["type"] !== "python") return;
    report(notYet(`a node of type "python": ${NO_PYTHON}`, below(below("/nodes", i), "type")));
  });
}

function refuseInTool(tool: unknown, path: string, report: Report): void {
  if (!isRecord(tool)) return;
  const runtime = isRecord(tool["runtime"]) ? tool["runtime"] : {};
  const { type } = runtime;
  const at = below(path, "runtime");
  if (type === "python") report(notYet(NO_PYTHON, below(at, "type")));
  // Without a type it is Python, as in the service that came before.
  const script = runtime["script"] === undefined ? path : at;
  if (type === undefined && (runtime["script"] ?? tool["script"]) !== undefined) {
    report(notYet(`a script without a runtime.type is Python: ${NO_PYTHON}`, below(script, "script")));
  }
}

function notYet(message: string, path: string): AgentError {
  return new AgentError("not_supported_yet", message, { path });
}
