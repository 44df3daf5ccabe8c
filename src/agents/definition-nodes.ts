import type { Static } from "typebox";
import type { AgentError } from "../errors/agent-error.ts";
import { didYouMean } from "../errors/near-miss.ts";
import { type QuestionTerms, readTerms } from "./approval-rule.ts";
import { type Condition, readCondition } from "./conditions.ts";
import { invalid } from "./definition-problem.ts";
import type { Node } from "./definition-schema.ts";
import { below, isRecord, listOf, quote } from "./json.ts";
import { type ModelDefinition, readModel } from "./node-model.ts";
import { type OutputDefinition, readOutputSchema } from "./output-schema.ts";
import { type Channel, misfit } from "./state-schema.ts";
import { argumentsIn } from "./templates.ts";

export type SentNode = Static<typeof Node>;
type NodeType = NonNullable<SentNode["type"]>;

/** What every node has. `key` is what edges and the graph know it by. */
type Common = { key: string; name: string; path: string };
/** `messages`, or names of channels. */
type Shares = { reads: readonly string[]; writes: readonly string[] };

export type AgentNode = Common &
  Shares & {
    type: "orchestrator" | "agent";
    description: string;
    model: ModelDefinition;
    system_prompt?: string;
    /** Names of entries of the definition's `tools`. */
    tools: readonly string[];
    output?: OutputDefinition;
  };
export type RouterNode = Common & {
  type: "router";
  model: ModelDefinition;
  system_prompt?: string;
  reads: readonly string[];
};
export type ToolNode = Common & {
  type: "tool";
  tool: string;
  args: Record<string, unknown>;
  writes: readonly string[];
};
export type ApprovalNode = Common & {
  type: "approval";
  applies: Condition;
  message: string;
  terms: QuestionTerms;
  show: readonly string[];
  writes: readonly string[];
};
export type GraphNode = Common & Shares & { type: "graph"; graph: string };
export type NodeDefinition = AgentNode | RouterNode | ToolNode | ApprovalNode | GraphNode;

const AGENT_KEYS = ["description", "model", "system_prompt", "tools", "state_schema", "output_schema"];
/** What is read of a node of each type; anything else is refused, for it would be ignored. */
const KEYS: Record<NodeType, readonly string[]> = {
  orchestrator: AGENT_KEYS,
  agent: [...AGENT_KEYS, "reads", "writes"],
  specialist: [...AGENT_KEYS, "reads", "writes"],
  router: ["description", "model", "system_prompt", "state_schema", "reads"],
  tool: ["description", "tool", "args", "state_schema", "writes"],
  approval: ["description", "approval", "show", "state_schema", "writes"],
  graph: ["description", "graph", "state_schema", "reads", "writes"],
  python: [],
};

const MESSAGES = ["messages"];
const DESCRIPTION_LENGTH = 200;

/** A node in one spelling, or an AgentError. `at` gives the place of a setting, which may be under `config`. */
export function readNode(
  { config = {}, ...flat }: SentNode,
  path: string,
  channels: readonly Channel[],
  alone: boolean,
): NodeDefinition {
  const sent = { ...flat, ...config };
  const at = (key: string) => below(Object.hasOwn(config, key) ? below(path, "config") : path, key);
  const { type = "specialist", id } = sent;
  refuseOtherKeys(sent, type, at);
  if (!alone && id === undefined && sent.name === undefined) {
    throw invalid(
      "is missing: in a definition of several nodes each has a name or an id",
      below(path, "name"),
    );
  }
  const name = sent.name ?? id ?? "agent";
  const common: Common = { key: id ?? name, name, path };
  const named = channelsNamed(sent, at, channels);
  switch (type) {
    case "orchestrator":
    case "agent":
    case "specialist":
      return readAgent(sent, common, at, named);
    case "router": {
      const { system_prompt } = sent;
      const model = modelOf(sent, at);
      return {
        ...common,
        type,
        model,
        reads: named.reads,
        ...(system_prompt !== undefined && { system_prompt }),
      };
    }
    case "tool":
      return readToolNode(sent, common, at, channels);
    case "approval":
      return readApprovalNode(sent, common, at, channels);
    case "graph":
      if (sent.graph === undefined) throw invalid('"graph" is missing', at("graph"));
      return { ...common, type, graph: sent.graph, ...named };
    case "python":
      throw invalid("a node of type python is not run", at("type"));
  }
}

type At = (key: string) => string;
type Settings = Omit<SentNode, "config">;

function refuseOtherKeys(sent: Settings, type: NodeType, at: At): void {
  const known = ["id", "type", "name", ...KEYS[type]];
  const other = Object.keys(sent).find((key) => !known.includes(key));
  if (other === undefined) return;
  throw invalid(
    `${quote(other)} is nothing that a node of type ${type} has${didYouMean(other, known)}`,
    at(other),
  );
}

function modelOf({ model }: Settings, at: At): ModelDefinition {
  if (model === undefined) throw invalid('"model" is missing', at("model"));
  return readModel(model, at("model"));
}

function channelsNamed(sent: Settings, at: At, channels: readonly Channel[]): Shares {
  const known = [...MESSAGES, ...channels.map(({ name }) => name)];
  for (const key of ["reads", "writes", "show"] as const) {
    sent[key]?.forEach((name, i) => {
      if (known.includes(name)) return;
      throw invalid(
        `${quote(name)} is not a channel of the state${didYouMean(name, known)}`,
        below(at(key), i),
      );
    });
  }
  return { reads: sent.reads ?? MESSAGES, writes: sent.writes ?? MESSAGES };
}

function readAgent(sent: Settings, common: Common, at: At, named: Shares): AgentNode {
  const { type, system_prompt, tools = [], output_schema } = sent;
  const { description = system_prompt?.slice(0, DESCRIPTION_LENGTH) ?? common.name } = sent;
  const output =
    output_schema === undefined ? undefined : readOutputSchema(output_schema, at("output_schema"));
  const node: AgentNode = {
    ...common,
    ...named,
    type: type === "orchestrator" ? "orchestrator" : "agent",
    description,
    model: modelOf(sent, at),
    tools,
    ...(system_prompt !== undefined && { system_prompt }),
    ...(output !== undefined && { output }),
  };
  return node;
}

function readToolNode(sent: Settings, common: Common, at: At, channels: readonly Channel[]): ToolNode {
  const { tool, args = {}, writes = [] } = sent;
  if (tool === undefined) throw invalid('"tool" is missing', at("tool"));
  const known = channels.map(({ name }) => name);
  for (const name of argumentsIn(args)) {
    if (known.includes(name)) continue;
    throw invalid(`{${name}} is not a channel of the state${didYouMean(name, known)}`, at("args"));
  }
  return { ...common, type: "tool", tool, args, writes };
}

function readApprovalNode(
  sent: Settings,
  common: Common,
  at: At,
  channels: readonly Channel[],
): ApprovalNode {
  const { approval = {}, show = [], writes = [] } = sent;
  const path = at("approval");
  if (approval.allowed?.includes("edit")) {
    throw invalid(
      "a node's question has no arguments to edit: approve, reject or respond",
      below(path, "allowed"),
    );
  }
  const names = [...MESSAGES, ...channels.map(({ name }) => name)];
  return {
    ...common,
    type: "approval",
    applies:
      approval.when === undefined ? () => true : readCondition(approval.when, names, below(path, "when")),
    message: approval.message ?? `May the run go on at "${common.name}"?`,
    terms: readTerms(approval, ["approve", "reject"]),
    show,
    writes,
  };
}

/** Whether what a node gives fits the channels that it writes; known once all channels are. */
export function checkWrites(node: NodeDefinition, channels: readonly Channel[]): void {
  if (node.type === "router") return;
  const written = channels.filter(({ name }) => node.writes.includes(name));
  const path = below(node.path, "writes");
  if (node.type === "agent") checkAnswer(node, written, path);
  if (node.type === "approval") {
    const other = written.find((channel) => misfit(channel, {}) !== undefined);
    if (other !== undefined) throw invalid(`a decision is a dict; ${quote(other.name)} is not one`, path);
  }
  if ((node.type === "tool" || node.type === "approval") && written.length > 1)
    throw invalid(`a node of type ${node.type} writes one channel`, path);
}

function checkAnswer({ output }: AgentNode, written: Channel[], path: string): void {
  if (output === undefined) {
    const other = written.find((channel) => misfit(channel, "") !== undefined);
    if (other === undefined) return;
    throw invalid(`the answer is a text, and ${quote(other.name)} takes none: give an output_schema`, path);
  }
  if (written.length < 2) return;
  const properties = output.schema["properties"];
  const known = isRecord(properties) ? Object.keys(properties) : [];
  const required = listOf(output.schema["required"]);
  for (const { name } of written) {
    if (!known.includes(name)) {
      const message = `${quote(name)} is no property of output_schema, whose properties go to the channels of their names`;
      throw invalid(`${message}${didYouMean(name, known)}`, path);
    }
    if (!required.includes(name))
      throw invalid(`output_schema must require ${quote(name)}, which is written`, path);
  }
}

/** Of a graph that the operator does not have. */
export function unknownGraph(name: string, known: readonly string[], path: string): AgentError {
  const hint = didYouMean(name, known);
  return invalid(`${quote(name)} is no graph of this service (GRAPH_MODULES)${hint}`, path);
}
