import { AgentError } from "../errors/agent-error.ts";
import { didYouMean } from "../errors/near-miss.ts";
import { invalid, type Report } from "./definition-problem.ts";
import { below, isRecord, listOf, quote } from "./json.ts";

const MAX_NODES = 100;
/** What an edge may name beside the nodes. */
export const ENDS: readonly string[] = ["START", "END"];
/** Tools that a deep agent brings along; they are not named in `tools`. */
export const BUILT_IN: ReadonlySet<string> = new Set([
  ...["write_todos", "ls", "read_file", "write_file", "edit_file", "delete"],
  ...["glob", "grep", "execute", "task"],
]);

/**
 * What is wrong with a definition in any version: names that clash or that name nothing. Runs
 * before the schema has had its say, so whatever is not of the right shape is passed over here.
 */
export function checkNames(body: unknown, report: Report): void {
  if (!isRecord(body)) return;
  const nodes = listOf(body["nodes"]);
  if (nodes.length > MAX_NODES) {
    report(invalid(`${nodes.length} nodes; a definition has ${MAX_NODES} at most`, "/nodes"));
  }
  const tools = checkUnique(listOf(body["tool_definitions"]), "/tool_definitions", "tool", "name", report);
  checkReserved(listOf(body["tool_definitions"]), report);
  const names = checkUnique(nodes, "/nodes", "node", "name", report);
  const ids = checkUnique(nodes, "/nodes", "node", "id", report);
  checkOrchestrators(nodes, report);
  nodes.forEach((node, i) => {
    checkTools(node, below("/nodes", i), tools, report);
  });
  checkEdges(listOf(body["edges"]), new Set([...names, ...ids]), report);
}

function checkUnique(list: unknown[], path: string, kind: string, key: string, report: Report): Set<string> {
  const seen = new Set<string>();
  list.forEach((item, i) => {
    const [name, at] = setting(item, below(path, i), key);
    if (typeof name !== "string") return;
    if (seen.has(name)) {
      const message = `${quote(name)} is the ${key} of another ${kind} too`;
      report(new AgentError("duplicate_name", message, { path: at }));
    }
    seen.add(name);
  });
  return seen;
}

function checkOrchestrators(nodes: unknown[], report: Report): void {
  const places = nodes.flatMap((node, i) => (isRecord(node) && node["type"] === "orchestrator" ? [i] : []));
  const [, second] = places;
  if (second !== undefined) {
    report(invalid("a definition has one orchestrator at most", below(below("/nodes", second), "type")));
  }
}

/** In any definition, so that a tool means the same in each kind of node. */
function checkReserved(tools: unknown[], report: Report): void {
  tools.forEach((tool, i) => {
    const name = isRecord(tool) ? tool["name"] : undefined;
    if (typeof name !== "string" || !BUILT_IN.has(name)) return;
    const message = `${quote(name)} is the name of a tool that orchestrators have anyway: choose another`;
    report(invalid(message, below(below("/tool_definitions", i), "name")));
  });
}

function checkTools(node: unknown, nodePath: string, tools: Set<string>, report: Report): void {
  const [names, path] = setting(node, nodePath, "tools");
  listOf(names).forEach((name, i, all) => {
    if (typeof name !== "string") return;
    if (all.indexOf(name) < i) {
      const message = `${quote(name)} is named twice`;
      report(new AgentError("duplicate_name", message, { path: below(path, i) }));
    }
    if (!tools.has(name)) report(unknownTool(name, tools, below(path, i)));
  });
  const [called, at] = setting(node, nodePath, "tool");
  if (typeof called === "string" && !tools.has(called)) report(unknownTool(called, tools, at));
}

function unknownTool(name: string, tools: Set<string>, path: string): AgentError {
  const hint = BUILT_IN.has(name)
    ? ": an orchestrator has it without being told, no other node can have it"
    : didYouMean(name, tools);
  return new AgentError("unknown_tool", `${quote(name)} is not a tool of this definition${hint}`, { path });
}

function checkEdges(edges: unknown[], nodes: Set<string>, report: Report): void {
  const known = [...nodes, ...ENDS];
  edges.forEach((edge, i) => {
    if (!isRecord(edge)) return;
    for (const key of ["from", "to"]) {
      const name = edge[key];
      if (typeof name !== "string" || known.includes(name)) continue;
      const message = `${quote(name)} is not a node of this definition${didYouMean(name, known)}`;
      report(new AgentError("unknown_node", message, { path: below(below("/edges", i), key) }));
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
