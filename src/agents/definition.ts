import type { Static } from "typebox";
import { Compile } from "typebox/compile";
import { checkNames } from "./definition-checks.ts";
import { invalid, schemaProblem } from "./definition-problem.ts";
import { Definition, type Limits, type Node } from "./definition-schema.ts";
import { below, isRecord } from "./json.ts";
import type { Model, PROVIDERS, ScriptedAnswer } from "./model-schema.ts";
import { refuseWhatIsNotYet } from "./not-yet.ts";
import { checkRuntimes } from "./runtime-checks.ts";
import { readTool, type ToolDefinition } from "./tool-definition.ts";

type SentModel = Static<typeof Model>;
type SentNode = Static<typeof Node>;
export type ScriptedResponse = string | Static<typeof ScriptedAnswer>;
export type DefinitionLimits = Static<typeof Limits>;
export type Provider = (typeof PROVIDERS)[number];

export type ModelDefinition = Omit<SentModel, "provider" | "model" | "fallbacks"> & {
  provider: Provider;
  /** Where the model stands in the definition as it was sent, for messages about it. */
  path: string;
  fallbacks?: readonly ModelDefinition[];
};

export type NodeDefinition = {
  type: "orchestrator" | "agent";
  name: string;
  model: ModelDefinition;
  system_prompt?: string;
  /** Names of entries of the definition's `tools`. */
  tools: readonly string[];
};

/** A definition in one spelling: nodes flat, models with `model_name`. */
export type AgentDefinition = {
  name?: string;
  description?: string;
  version?: string;
  tools: ToolDefinition[];
  nodes: [NodeDefinition];
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
  const sent = lowerTypes(body);
  checkNames(sent);
  refuseWhatIsNotYet(sent);
  checkRuntimes(sent);
  validator ??= Compile(Definition);
  if (!validator.Check(sent)) throw schemaProblem(Definition, sent, validator.Errors(sent));
  const { tool_definitions = [], edges: _edges, nodes, limits = {}, ...about } = sent;
  const tools = tool_definitions.map((tool, i) => readTool(tool, below("/tool_definitions", i)));
  const [node] = nodes;
  if (node === undefined) throw invalid("a definition has at least one node", "/nodes");
  return { ...about, tools, nodes: [readNode(node, "/nodes/0")], limits };
}

/** Types are taken in any case, as in the service that came before. */
function lowerTypes(body: unknown): unknown {
  if (!isRecord(body) || !Array.isArray(body["nodes"])) return body;
  const nodes = body["nodes"].map((node: unknown) =>
    isRecord(node) && typeof node["type"] === "string" ? { ...node, type: node["type"].toLowerCase() } : node,
  );
  return { ...body, nodes };
}

function readNode({ config = {}, ...flat }: SentNode, path: string): NodeDefinition {
  const {
    id,
    type = "specialist",
    name = id ?? "agent",
    model,
    system_prompt,
    tools = [],
  } = { ...flat, ...config };
  if (model === undefined) throw invalid("a node has a model", `${path}/model`);
  return {
    type: type === "orchestrator" ? "orchestrator" : "agent",
    name,
    model: readModel(model, config.model === undefined ? `${path}/model` : `${path}/config/model`),
    ...(system_prompt === undefined ? {} : { system_prompt }),
    tools,
  };
}

function readModel(sent: SentModel, path: string): ModelDefinition {
  const { provider = "openai", model, model_name = model, fallbacks: sentFallbacks = [], ...rest } = sent;
  const fallbacks = sentFallbacks.map((each, i) => readModel(each, `${path}/fallbacks/${i}`));
  if (model !== undefined && model !== model_name) {
    throw invalid("model and model_name are two names for one thing, but they differ: send one", path);
  }
  if (rest.responses !== undefined && provider !== "scripted") {
    throw invalid(`responses are for provider "scripted"; this one is "${provider}"`, `${path}/responses`);
  }
  return {
    ...rest,
    provider,
    path,
    ...(fallbacks.length === 0 ? {} : { fallbacks }),
    ...(model_name === undefined ? {} : { model_name }),
  };
}
