import { Agents, type AgentsOptions, type CompiledAgent } from "../../src/agents/compile.ts";
import { type ModelDefinition, readDefinition } from "../../src/agents/definition.ts";
import type { ModelSettings } from "../../src/agents/endpoints.ts";
import { AgentError } from "../../src/errors/agent-error.ts";

/** Settings of a process without keys that allows offline models; each test says what is different. */
export function settingsWith(changes: Partial<ModelSettings> = {}): ModelSettings {
  return {
    providers: { openai: {}, anthropic: {} },
    allowedBaseUrls: [],
    offlineModels: true,
    ...changes,
  };
}

export function agentsWith(
  changes: Partial<ModelSettings> = {},
  options: Partial<AgentsOptions> = {},
): Agents {
  return new Agents({ settings: () => settingsWith(changes), ...options });
}

/** Both providers at one server. */
export function providersAt(
  server: { url: string; openaiUrl: string },
  apiKey = "k",
): ModelSettings["providers"] {
  return { openai: { apiKey, baseUrl: server.openaiUrl }, anthropic: { apiKey, baseUrl: server.url } };
}

/** A handler of LangGraph's kind that makes models stream although the graph is only invoked. */
export const STREAMED = { callbacks: [{ lc_prefer_streaming: true, handleLLMNewToken: () => undefined }] };

/** A definition of one node. */
export function nodeWith(model: object, node: object = {}): { nodes: [object] } {
  return { nodes: [{ name: "main", ...node, model }] };
}

export function scripted(...responses: unknown[]): object {
  return { provider: "scripted", responses };
}

/** One turn from beginning to end, as the result of a run. */
export async function runOnce(agent: CompiledAgent, input: unknown, config: object = {}) {
  return agent.toResult(await agent.graph.invoke(agent.toInput(input), config));
}

/** The AgentError that this throws or rejects with; anything else fails the test. */
export async function errorOf(work: () => unknown): Promise<AgentError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

/** The model of the first node that has one, as a definition is read. */
export function modelOf(body: unknown): ModelDefinition {
  for (const node of readDefinition(body).nodes) if ("model" in node && node.model) return node.model;
  throw new Error("no node of this definition has a model");
}
