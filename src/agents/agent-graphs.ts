import { type AgentMiddleware, createAgent } from "langchain";
import { type Options, partsOf } from "./agent-parts.ts";
import { agentState } from "./agent-state.ts";
import type { AgentDefinition } from "./definition.ts";
import type { AgentNode } from "./definition-nodes.ts";

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
