import type { Static } from "typebox";
import { Compile } from "typebox/compile";
import type { AgentError } from "../errors/agent-error.ts";
import { checkNames } from "./definition-checks.ts";
import { checkWrites, type NodeDefinition, readNode } from "./definition-nodes.ts";
import { attempt, invalid, type Report, schemaProblems, throwFirst } from "./definition-problem.ts";
import { Definition, type Limits } from "./definition-schema.ts";
import { checkPipeline, type EdgeDefinition, readDelegation, readEdge } from "./edges.ts";
import { below, isRecord, quote } from "./json.ts";
import { refuseWhatIsNotYet } from "./not-yet.ts";
import { checkRuntimes } from "./runtime-checks.ts";
import { type Channel, mergeChannels, readChannels } from "./state-schema.ts";
import { readTool, type ToolDefinition } from "./tool-definition.ts";

type Sent = Static<typeof Definition>;
export type DefinitionLimits = Static<typeof Limits>;
export type { ModelDefinition, ScriptedResponse } from "./node-model.ts";

/**
 * What a definition is: one agent, an orchestrator with its specialists, a pipeline, or a graph of
 * the operator's.
 */
export type Shape = "agent" | "orchestrator" | "pipeline" | "graph";

/** A definition in one spelling: nodes flat, models with `model_name`, edges by keys. */
export type AgentDefinition = {
  shape: Shape;
  name?: string;
  description?: string;
  version?: string;
  tools: ToolDefinition[];
  nodes: NodeDefinition[];
  edges: EdgeDefinition[];
  /** Of an orchestrator: who may delegate to whom, by keys. */
  delegates: ReadonlyMap<string, readonly string[]>;
  channels: Channel[];
  graph?: string;
  limits: DefinitionLimits;
};

/** The published JSON Schema. */
export function definitionJsonSchema(): Record<string, unknown> {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: "urn:agent-executor:agent-definition",
    title: "Agent definition",
    ...Definition,
  };
}

/** Compiled on first use: a process that only hands results on never pays for it. */
let validator: ReturnType<typeof Compile<typeof Definition>> | undefined;

/** Reads what was sent, or throws an AgentError with code, JSON pointer and, where there is one, a near miss. */
export function readDefinition(body: unknown): AgentDefinition {
  const definition = read(body, throwFirst);
  if (definition === undefined) throw invalid("the definition does not fit the schema", "");
  return definition;
}

/** Everything that is wrong with a definition. */
export function problemsOf(body: unknown): AgentError[] {
  const problems: AgentError[] = [];
  read(body, (problem) => problems.push(problem));
  return problems;
}

/** Gives nothing only where it has reported why. */
function read(body: unknown, report: Report): AgentDefinition | undefined {
  const sent = lowerTypes(body);
  const noted: AgentError[] = [];
  const note: Report = (problem) => {
    noted.push(problem);
    report(problem);
  };
  checkNames(sent, note);
  refuseWhatIsNotYet(sent, note);
  checkRuntimes(sent, note);
  validator ??= Compile(Definition);
  if (validator.Check(sent)) return noted.length === 0 ? readSound(sent, report) : undefined;
  // What is not run yet is not in the schema either: said once is enough.
  const isSaid = ({ path = "" }: AgentError) => noted.some((each) => path.startsWith(each.path ?? ""));
  for (const problem of schemaProblems(Definition, sent, validator.Errors(sent))) {
    if (!isSaid(problem)) report(problem);
  }
  return undefined;
}

function readSound(sent: Sent, report: Report): AgentDefinition | undefined {
  const {
    tool_definitions = [],
    edges = [],
    nodes = [],
    limits = {},
    state_schema: _,
    graph,
    ...about
  } = sent;
  if (graph !== undefined) {
    if (nodes.length > 0) report(invalid("a definition has nodes or a graph, not both", "/graph"));
    const empty = { tools: [], nodes: [], edges: [], channels: [], delegates: new Map() };
    return { ...about, ...empty, shape: "graph", graph, limits };
  }
  const tools = tool_definitions.flatMap(
    (tool, i) => attempt(report, () => readTool(tool, below("/tool_definitions", i))) ?? [],
  );
  const channels = attempt(report, () => channelsOf(sent)) ?? [];
  const read = nodes.flatMap((node, i) => {
    const path = below("/nodes", i);
    return (
      attempt(report, () => {
        const each = readNode(node, path, channels, nodes.length === 1);
        checkWrites(each, channels);
        return each;
      }) ?? []
    );
  });
  if (read.length < nodes.length) return undefined; // edges would be said to lead nowhere
  const ways = edges.flatMap(
    (edge, i) => attempt(report, () => readEdge(edge, below("/edges", i), read, channels)) ?? [],
  );
  const shape = shapeOf(read, ways);
  if (shape === "orchestrator") checkSpecialists(read, report);
  if (shape === "pipeline") checkKeys(read, channels, report);
  if (shape === "pipeline" && ways.length === edges.length) checkPipeline(read, ways, report);
  const delegates = shape === "orchestrator" ? readDelegation(read, ways, report) : new Map();
  return { ...about, shape, tools, nodes: read, edges: ways, delegates, channels, limits };
}

/** LangGraph keeps nodes and channels in one space of names. */
function checkKeys(nodes: readonly NodeDefinition[], channels: readonly Channel[], report: Report): void {
  for (const { key, path } of nodes) {
    if (!channels.some(({ name }) => name === key)) continue;
    report(invalid(`${quote(key)} is a channel too: give the node another id`, below(path, "id")));
  }
}

function channelsOf({ state_schema = {}, nodes = [] }: Sent): Channel[] {
  const places = nodes.map((node, i) => {
    const nested = node.config?.state_schema;
    const path = below(nested ? below(below("/nodes", i), "config") : below("/nodes", i), "state_schema");
    return { sent: nested ?? node.state_schema ?? {}, path };
  });
  const all = [{ sent: state_schema, path: "/state_schema" }, ...places];
  return mergeChannels(all.map(({ sent, path }) => ({ path, channels: readChannels(sent, path) })));
}

function shapeOf(nodes: readonly NodeDefinition[], edges: readonly EdgeDefinition[]): Shape {
  if (nodes.some(({ type }) => type === "orchestrator")) return "orchestrator";
  const [only, ...more] = nodes;
  if (only?.type !== "agent" || more.length > 0) return "pipeline";
  // From START through the one node to END is what it does anyway.
  const plain = edges.every(({ from, to, when }) => from !== to && when === undefined);
  const shares = [only.reads, only.writes].some((names) => names.join() !== "messages");
  return plain && !shares ? "agent" : "pipeline";
}

function checkSpecialists(nodes: readonly NodeDefinition[], report: Report): void {
  for (const node of nodes) {
    if (node.type === "orchestrator") continue;
    if (node.type !== "agent") {
      report(
        invalid(
          `beside an orchestrator there are only specialists, no ${node.type}`,
          below(node.path, "type"),
        ),
      );
      continue;
    }
    const key = (["reads", "writes"] as const).find((each) => node[each].join() !== "messages");
    if (key === undefined) continue;
    report(
      invalid("a specialist is given its task and answers it; it shares no channels", below(node.path, key)),
    );
  }
}

/** Types are taken in any case, as in the service that came before. */
function lowerTypes(body: unknown): unknown {
  if (!isRecord(body) || !Array.isArray(body["nodes"])) return body;
  const nodes = body["nodes"].map((node: unknown) =>
    isRecord(node) && typeof node["type"] === "string" ? { ...node, type: node["type"].toLowerCase() } : node,
  );
  return { ...body, nodes };
}
