import type { AgentGraph, AgentsOptions } from "./compile.ts";
import type { AgentDefinition } from "./definition.ts";
import type { GraphNode } from "./definition-nodes.ts";
import { operatorsGraph } from "./graph-modules.ts";
import { below, listOf } from "./json.ts";
import { type Step, writesTo } from "./pipeline-state.ts";
import { callResumably } from "./resumably.ts";

/** The operator's graph as a step: channels go in and come out under their names. */
export async function graphStep(
  node: GraphNode,
  { channels }: AgentDefinition,
  options: Pick<AgentsOptions, "graphModules">,
): Promise<Step> {
  const graph = (await operatorsGraph(
    node.graph,
    below(node.path, "graph"),
    options,
  )) as unknown as AgentGraph;
  return async (state, config) => {
    const input = Object.fromEntries(node.reads.map((name) => [name, state[name]] as const));
    const result = await callResumably(graph, input, config);
    const before = new Set(state.messages);
    const said = listOf(result["messages"]).filter((message) => !before.has(message as never));
    return {
      ...writesTo(node.name, node.writes, channels, (name) => result[name] ?? null),
      ...(node.writes.includes("messages") && { messages: said }),
    };
  };
}
