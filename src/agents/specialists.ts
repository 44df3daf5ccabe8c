import type { RunnableConfig } from "@langchain/core/runnables";
import {
  type CompiledSubAgent,
  createFilesystemMiddleware,
  createPatchToolCallsMiddleware,
  createSubAgentMiddleware,
  createSummarizationMiddleware,
  StateBackend,
} from "deepagents";
import { type AgentMiddleware, createAgent } from "langchain";
import { type Options, partsOf } from "./agent-parts.ts";
import type { AgentGraph } from "./compile.ts";
import type { AgentDefinition } from "./definition.ts";
import type { AgentNode } from "./definition-nodes.ts";
import { checkedOutput } from "./output-schema.ts";
import { callResumably } from "./resumably.ts";

/** Those that a node may delegate to, as deepagents takes them. */
export async function specialistsOf(
  boss: AgentNode,
  definition: AgentDefinition,
  options: Options,
): Promise<CompiledSubAgent[]> {
  const keys = definition.delegates.get(boss.key) ?? [];
  const nodes = definition.nodes.filter(({ key }) => keys.includes(key));
  const agents = nodes.filter((node): node is AgentNode => node.type === "agent");
  return await Promise.all(agents.map((node) => specialist(node, definition, options)));
}

async function specialist(
  node: AgentNode,
  definition: AgentDefinition,
  options: Options,
): Promise<CompiledSubAgent> {
  const { middleware, ...parts } = await partsOf(node, definition, options);
  const subagents = await specialistsOf(node, definition, options);
  const backend = (config: ConstructorParameters<typeof StateBackend>[0]) => new StateBackend(config);
  const delegation =
    subagents.length === 0
      ? []
      : [createSubAgentMiddleware({ defaultModel: parts.model, subagents, generalPurposeAgent: false })];
  // What deepagents itself puts around a sub-agent: files shared with the orchestrator, long threads cut.
  const common = [
    createFilesystemMiddleware({ backend }),
    ...delegation,
    createSummarizationMiddleware({ backend }),
    createPatchToolCallsMiddleware(),
  ] as unknown as AgentMiddleware[];
  const { graph } = createAgent({ ...parts, middleware: [...common, ...middleware] });
  const runnable = runnableOf(node, graph as unknown as AgentGraph);
  return { name: node.name, description: node.description, runnable };
}

/** deepagents calls nothing but `invoke`. Of the state only files go back: the rest is the specialist's own. */
function runnableOf(node: AgentNode, graph: AgentGraph): CompiledSubAgent["runnable"] {
  const invoke = async (input: unknown, config: RunnableConfig) => {
    const { messages, files, structuredResponse } = await callResumably(graph, input, config);
    if (node.output === undefined) return { messages, files };
    return { messages, files, structuredResponse: checkedOutput(node.output, node.name, structuredResponse) };
  };
  return { invoke } as unknown as CompiledSubAgent["runnable"];
}
