import type { AgentsOptions } from "./compile.ts";
import type { AgentDefinition } from "./definition.ts";
import type { AgentNode } from "./definition-nodes.ts";
import { createModel } from "./models.ts";
import { toolsOf } from "./node-tools.ts";
import { responseFormat } from "./output-schema.ts";

export type Options = Pick<AgentsOptions, "settings" | "egress" | "toolbox">;

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
