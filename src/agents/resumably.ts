import type { RunnableConfig } from "@langchain/core/runnables";
import { AsyncLocalStorageProviderSingleton } from "@langchain/core/singletons";
import type { AgentGraph } from "./compile.ts";

/**
 * LangGraph 1.4.18 takes a sub-graph for a replay when its config has the key `checkpoint_id`, even
 * with no value, and LangGraph itself puts it there. A replay does not use the results of finished
 * siblings, so a sub-graph is called without the key, in both ways it comes by.
 */
export async function callResumably(
  graph: Pick<AgentGraph, "invoke">,
  input: unknown,
  config: RunnableConfig,
): Promise<Record<string, unknown>> {
  const { checkpoint_id: _none, ...configurable } = config.configurable ?? {};
  const own = { ...config, configurable };
  return await AsyncLocalStorageProviderSingleton.runWithConfig(own, () =>
    graph.invoke(input, own as Parameters<AgentGraph["invoke"]>[1]),
  );
}
