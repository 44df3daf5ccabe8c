import { AgentError } from "../errors/agent-error.ts";
import type { Report } from "./definition-problem.ts";
import { below, isRecord, listOf } from "./json.ts";

/** Of `runtime.type`. */
const RUNTIMES = new Set(["javascript", "python", "mcp", "builtin", "module"]);

/** Refused, never ignored: an agent without its tools would answer all the same. */
export function refuseWhatIsNotYet(body: unknown, report: Report): void {
  if (!isRecord(body)) return;
  listOf(body["tool_definitions"]).forEach((tool, i) => {
    refuseInTool(tool, below("/tool_definitions", i), report);
  });
  listOf(body["nodes"]).forEach((node, i) => {
    refuseInNode(node, below("/nodes", i), report);
  });
}

function refuseInTool(tool: unknown, path: string, report: Report): void {
  if (!isRecord(tool)) return;
  const runtime = isRecord(tool["runtime"]) ? tool["runtime"] : {};
  const { type } = runtime;
  const at = below(path, "runtime");
  if (typeof type === "string" && RUNTIMES.has(type)) {
    report(notYet(`a tool of type "${type}"`, below(at, "type")));
  }
  // Without a type it is Python, as in the service that came before.
  if (type === undefined) {
    refuseKeys(tool, path, { script: "a Python script as a tool" }, report);
    refuseKeys(runtime, at, { script: "a Python script as a tool" }, report);
  }
}

function refuseInNode(node: unknown, path: string, report: Report): void {
  if (!isRecord(node)) return;
  if (node["type"] === "python") report(notYet('a node of type "python"', below(path, "type")));
  const config = node["config"];
  for (const [part, at] of [
    [node, path],
    [config, below(path, "config")],
  ] as const) {
    if (!isRecord(part) || !isRecord(part["model"])) continue;
    refuseEntries(part["model"], below(at, "model"), "fallbacks", "fallbacks of a model", report);
  }
}

function refuseKeys(
  part: Record<string, unknown>,
  path: string,
  keys: Record<string, string>,
  report: Report,
): void {
  for (const [key, what] of Object.entries(keys)) {
    if (part[key] !== undefined) report(notYet(what, below(path, key)));
  }
}

/** An empty list asks for nothing and is taken. */
function refuseEntries(
  part: Record<string, unknown>,
  path: string,
  key: string,
  what: string,
  report: Report,
): void {
  if (listOf(part[key]).length > 0) report(notYet(what, below(below(path, key), 0)));
}

function notYet(what: string, path: string): AgentError {
  return new AgentError("not_supported_yet", `${what}: this version does not run that yet`, { path });
}
