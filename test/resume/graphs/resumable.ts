import { AsyncLocalStorageProviderSingleton } from "@langchain/core/singletons";
import type { LangGraphRunnableConfig } from "@langchain/langgraph";

/**
 * LangGraph 1.4.18 takes a sub-graph for a replay when its config has the key `checkpoint_id`, even
 * with no value, and LangGraph itself puts it there. A replay does not use the results of finished
 * siblings, so a sub-graph that goes on is called without the key, in both ways it comes by.
 */
export async function callResumably<I, O>(
  graph: { invoke(input: I, config: LangGraphRunnableConfig): Promise<O> },
  input: I,
  config: LangGraphRunnableConfig,
): Promise<O> {
  const { checkpoint_id: _none, ...configurable } = config.configurable ?? {};
  const own = { ...config, configurable };
  return await AsyncLocalStorageProviderSingleton.runWithConfig(own, () => graph.invoke(input, own));
}
