import { AgentError } from "../errors/agent-error.ts";
import { didYouMean } from "../errors/near-miss.ts";
import { invalid } from "./definition-problem.ts";
import { below, isRecord, listOf, quote } from "./json.ts";

const MAX_NODES = 100;
/** What an edge may name beside the nodes. */
const ENDS = ["START", "END"];
/** Tools that a deep agent brings along; they are not named in `tools`. */
export const BUILT_IN: ReadonlySet<string> = new Set([
  ...["write_todos", "ls", "read_file", "write_file", "edit_file", "delete"],
  ...["glob", "grep", "execute", "task"],
]);

/**
 * What is wrong with a definition in any version: names that clash or that name nothing. Runs
 * before the schema has had its say, so whatever is not of the right shape is passed over here.
 */
export function checkNames(body: unknown): void {
  if (!isRecord(body)) return;
  const nodes = listOf(body["nodes"]);
  if (nodes.length > MAX_NODES) {
    throw invalid(`${nodes.length} nodes; a definition has ${MAX_NODES} at most`, "/nodes");
  }
  const tools = checkUnique(listOf(body["tool_definitions"]), "/tool_definitions", "tool", "name");
  checkReserved(listOf(body["tool_definitions"]));
  const names = checkUnique(nodes, "/nodes", "node", "name");
  const ids = checkUnique(nodes, "/nodes", "node", "id");
  checkOrchestrators(nodes);
  nodes.forEach((node, i) => {
    checkTools(node, below("/nodes", i), tools);
  });
  checkEdges(listOf(body["edges"]), new Set([...names, ...ids]));
}

function checkUnique(list: unknown[], path: string, kind: string, key: string): Set<string> {
  const seen = new Set<string>();
  list.forEach((item, i) => {
    const [name, at] = setting(item, below(path, i), key);
    if (typeof name !== "string") return;
    if (seen.has(name)) {
      throw new AgentError("duplicate_name", `${quote(name)} is the ${key} of another ${kind} too`, {
        path: at,
      });
    }
    seen.add(name);
  });
  return seen;
}

function checkOrchestrators(nodes: unknown[]): void {
  const places = nodes.flatMap((node, i) => (isRecord(node) && node["type"] === "orchestrator" ? [i] : []));
  const [, second] = places;
  if (second !== undefined) {
    throw invalid("a definition has one orchestrator at most", below(below("/nodes", second), "type"));
  }
}

/** In any definition, so that a tool means the same in each kind of node. */
function checkReserved(tools: unknown[]): void {
  tools.forEach((tool, i) => {
    const name = isRecord(tool) ? tool["name"] : undefined;
    if (typeof name !== "string" || !BUILT_IN.has(name)) return;
    const message = `${quote(name)} is the name of a tool that orchestrators have anyway: choose another`;
    throw invalid(message, below(below("/tool_definitions", i), "name"));
  });
}

function checkTools(node: unknown, nodePath: string, tools: Set<string>): void {
  const [names, path] = setting(node, nodePath, "tools");
  listOf(names).forEach((name, i, all) => {
    if (typeof name !== "string") return;
    if (all.indexOf(name) < i) {
      throw new AgentError("duplicate_name", `${quote(name)} is named twice`, { path: below(path, i) });
    }
    if (tools.has(name)) return;
    const hint = BUILT_IN.has(name)
      ? ": an orchestrator has it without being told, no other node can have it"
      : didYouMean(name, tools);
    const message = `${quote(name)} is not a tool of this definition${hint}`;
    throw new AgentError("unknown_tool", message, { path: below(path, i) });
  });
}

function checkEdges(edges: unknown[], nodes: Set<string>): void {
  const known = [...nodes, ...ENDS];
  edges.forEach((edge, i) => {
    if (!isRecord(edge)) return;
    for (const key of ["from", "to"]) {
      const name = edge[key];
      if (typeof name !== "string" || known.includes(name)) continue;
      const message = `${quote(name)} is not a node of this definition${didYouMean(name, known)}`;
      throw new AgentError("unknown_node", message, { path: below(below("/edges", i), key) });
    }
  });
}

/** A setting and its place: under `config` it wins over one beside it. */
function setting(item: unknown, path: string, key: string): [value: unknown, path: string] {
  if (!isRecord(item)) return [undefined, path];
  const config = item["config"];
  if (isRecord(config) && config[key] !== undefined) return [config[key], below(below(path, "config"), key)];
  return [item[key], below(path, key)];
}
