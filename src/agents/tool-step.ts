import { AgentError } from "../errors/agent-error.ts";
import type { AgentsOptions } from "./compile.ts";
import type { AgentDefinition } from "./definition.ts";
import type { ToolNode } from "./definition-nodes.ts";
import { quote } from "./json.ts";
import { toolsOf } from "./node-tools.ts";
import { type Step, sharedState, writesTo } from "./pipeline-state.ts";
import type { Channel } from "./state-schema.ts";
import { fillJson } from "./templates.ts";

/** Calls a tool with arguments from the state, under the same journal and questions as a model's calls. */
export async function toolStep(
  node: ToolNode,
  { tools: defined, channels }: AgentDefinition,
  options: Pick<AgentsOptions, "settings" | "egress" | "toolbox">,
): Promise<Step> {
  const { tools } = await toolsOf([node.tool], defined, options);
  const [tool, ...others] = tools;
  if (tool === undefined) throw new AgentError("internal", `no tool ${quote(node.tool)} was made`);
  if (others.length > 0) {
    const message = `${quote(node.tool)} stands for ${tools.length} tools: name one of them in its runtime.tool`;
    throw new AgentError("invalid_definition", message, { path: `${node.path}/tool` });
  }
  return async (state, config) => {
    const args = fillJson(node.args, sharedState(state, channels)) as Record<string, unknown>; // of an object
    const call = { type: "tool_call" as const, id: `node_${node.key}`, name: tool.name, args };
    // The key of its journal holds the task's id, so the same call in the next round of a loop is another one.
    const { content, status } = await tool.invoke(call, config);
    const text = typeof content === "string" ? content : JSON.stringify(content);
    if (status === "error") {
      throw new AgentError(
        "graph_failed",
        `tool ${quote(node.tool)} of node ${quote(node.name)} failed: ${text}`,
      );
    }
    return writesTo(node.name, node.writes, channels, (name) => valueFor(channelOf(name, channels), text));
  };
}

function channelOf(name: string, channels: readonly Channel[]): Channel | undefined {
  return channels.find((channel) => channel.name === name);
}

/** A tool answers with text; to a channel of another type goes what the text says as JSON. */
function valueFor(channel: Channel | undefined, text: string): unknown {
  if (channel === undefined || channel.type === "str") return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
