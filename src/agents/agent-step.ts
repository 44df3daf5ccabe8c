import { AIMessage, type BaseMessage } from "@langchain/core/messages";
import { buildAgent } from "./agent-graphs.ts";
import { messageName } from "./agent-parts.ts";
import { viewOf } from "./agent-view.ts";
import type { AgentGraph, AgentsOptions } from "./compile.ts";
import type { AgentDefinition } from "./definition.ts";
import type { AgentNode } from "./definition-nodes.ts";
import { checkedOutput } from "./output-schema.ts";
import { type Step, type Update, writesTo } from "./pipeline-state.ts";
import { callResumably } from "./resumably.ts";

/** An agent as a step: it is shown the channels that it reads, and its answer goes to those that it writes. */
export async function agentStep(
  node: AgentNode,
  definition: AgentDefinition,
  options: Pick<AgentsOptions, "settings" | "egress" | "toolbox">,
): Promise<Step> {
  const { channels } = definition;
  const graph = (await buildAgent(node, { ...definition, channels: [] }, options)) as unknown as AgentGraph;
  return async (state, config) => {
    const view = viewOf(state, node, channels);
    const result = await callResumably(graph, { messages: view }, config);
    const said = (result["messages"] as BaseMessage[]).slice(view.length); // `createAgent` only adds to them
    if (node.output === undefined) return answered(node, said, definition);
    return structured(node, checkedOutput(node.output, node.name, result["structuredResponse"]), definition);
  };
}

function answered(node: AgentNode, said: BaseMessage[], { channels }: AgentDefinition): Update {
  const text = said.findLast((message) => AIMessage.isInstance(message))?.text ?? "";
  return {
    ...writesTo(node.name, node.writes, channels, () => text),
    ...(node.writes.includes("messages") && { messages: said }),
  };
}

/** To the conversation goes the value, not the call by which the model handed it over. */
function structured(node: AgentNode, value: Record<string, unknown>, { channels }: AgentDefinition): Update {
  const [, second] = node.writes.filter((name) => name !== "messages");
  const message = new AIMessage({ content: JSON.stringify(value), name: messageName(node.name) });
  return {
    ...writesTo(node.name, node.writes, channels, (name) => (second === undefined ? value : value[name])),
    ...(node.writes.includes("messages") && { messages: [message] }),
    structuredResponse: value,
  };
}
