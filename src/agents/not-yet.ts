import { AgentError } from "../errors/agent-error.ts";
import { below, isRecord, listOf } from "./json.ts";

/** The parts of the language that are defined but not run yet, by where they stand. */
const KEYS = {
  definition: { graph: "a graph from a module" },
  node: {
    state_schema: "a state schema",
    output_schema: "an output schema",
    approval: "an approval",
    graph: "a graph from a module",
  },
} as const;

/** Of `runtime.type`. */
const NO_PYTHON =
  "there are no Python engines: this version does not run that yet. Write the script as javascript, or offer it by http or mcp";
const NODE_TYPES = new Set(["tool", "router", "python", "approval", "graph"]);

/** Refused, never ignored: an agent without its tools or its specialists would answer all the same. */
export function refuseWhatIsNotYet(body: unknown): void {
  if (!isRecord(body)) return;
  refuseKeys(body, "", KEYS.definition);
  listOf(body["tool_definitions"]).forEach((tool, i) => {
    refuseInTool(tool, below("/tool_definitions", i));
  });
  const nodes = listOf(body["nodes"]);
  nodes.forEach((node, i) => {
    refuseInNode(node, below("/nodes", i));
  });
  refuseSecondNode(nodes);
  refuseEntries(body, "", "edges", "edges");
}

function refuseInTool(tool: unknown, path: string): void {
  if (!isRecord(tool)) return;
  const runtime = isRecord(tool["runtime"]) ? tool["runtime"] : {};
  const { type } = runtime;
  const at = below(path, "runtime");
  if (type === "python") throw new AgentError("not_supported_yet", NO_PYTHON, { path: below(at, "type") });
  // Without a type it is Python, as in the service that came before.
  const script = runtime["script"] === undefined ? path : at;
  if (type === undefined && (runtime["script"] ?? tool["script"]) !== undefined) {
    const message = `a script without a runtime.type is Python: ${NO_PYTHON}`;
    throw new AgentError("not_supported_yet", message, { path: below(script, "script") });
  }
}

function refuseInNode(node: unknown, path: string): void {
  if (!isRecord(node)) return;
  const type = node["type"];
  if (typeof type === "string" && NODE_TYPES.has(type)) {
    throw notYet(`a node of type "${type}"`, below(path, "type"));
  }
  const config = node["config"];
  for (const [part, at] of [
    [node, path],
    [config, below(path, "config")],
  ] as const) {
    if (!isRecord(part)) continue;
    refuseKeys(part, at, KEYS.node);
  }
}

function refuseSecondNode(nodes: unknown[]): void {
  if (nodes.length < 2) return;
  const isOrchestrator = (node: unknown) => isRecord(node) && node["type"] === "orchestrator";
  if (!nodes.some(isOrchestrator)) throw notYet("more than one node", "/nodes/1");
  const beside = nodes.findIndex((node) => !isOrchestrator(node));
  throw notYet("a specialist beside an orchestrator", below("/nodes", beside));
}

function refuseKeys(part: Record<string, unknown>, path: string, keys: Record<string, string>): void {
  for (const [key, what] of Object.entries(keys)) {
    if (part[key] !== undefined) throw notYet(what, below(path, key));
  }
}

/** An empty list asks for nothing and is taken. */
function refuseEntries(part: Record<string, unknown>, path: string, key: string, what: string): void {
  if (listOf(part[key]).length > 0) throw notYet(what, below(below(path, key), 0));
}

function notYet(what: string, path: string): AgentError {
  return new AgentError("not_supported_yet", `${what}: this version does not run that yet`, { path });
}
