import { type AgentMiddleware, createAgent } from "langchain";
import { agentState } from "./agent-state.ts";
import type { AgentsOptions } from "./compile.ts";
import type { AgentDefinition } from "./definition.ts";
import type { AgentNode } from "./definition-nodes.ts";
import { createModel } from "./models.ts";
import { toolsOf } from "./node-tools.ts";
import { responseFormat } from "./output-schema.ts";

type Options = Pick<AgentsOptions, "settings" | "egress">;

/** A plain agent: a model in a loop with its tools. */
export async function buildAgent(node: AgentNode, definition: AgentDefinition, options: Options) {
  const { middleware, ...parts } = await partsOf(node, definition, options);
  return createAgent({ ...parts, middleware, ...agentState(definition) }).graph;
}

/** A deep agent: plan, files, and the specialists that it may delegate to. */
export async function buildDeepAgent(node: AgentNode, definition: AgentDefinition, options: Options) {
  const { createDeepAgent } = await import("deepagents");
  const { todoListMiddleware } = await import("langchain");
  const { specialistsOf } = await import("./specialists.ts");
  const { middleware, ...parts } = await partsOf(node, definition, options);
  const subagents = await specialistsOf(node, definition, options);
  const plan = todoListMiddleware() as AgentMiddleware;
  const state = agentState(definition);
  return createDeepAgent({ ...parts, ...state, subagents, middleware: [plan, ...middleware] }).graph;
}

/** What an agent of any kind is made of. */
export async function partsOf(node: AgentNode, { tools: defined }: AgentDefinition, options: Options) {
  const model = await createModel(node.model, options.settings);
  const { tools, middleware } = await toolsOf(node.tools, defined, options);
  return {
    model,
    name: messageName(node.name),
    ...(node.system_prompt ? { systemPrompt: node.system_prompt } : {}),
    tools,
    middleware,
    ...(await responseFormat(node.output)),
  };
}

/** The agent's name goes to the provider with each of its messages, and OpenAI refuses spaces in it. */
export function messageName(name: string): string {
  return name.replace(/[^\w-]+/g, "_").slice(0, 64);
}
