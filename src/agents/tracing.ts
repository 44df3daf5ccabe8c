import { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import { RunTree } from "langsmith";

let UNTRACED: RunTree | undefined;

/**
 * Keeps LangSmith away from a graph. LangChain adds its tracer to every call when the environment
 * says so, unless a handler of the tracer's name is there already: this is that handler, and it
 * records nothing.
 */
export class NoTracing extends BaseCallbackHandler {
  name = "langchain_tracer";
  override ignoreLLM = true;
  override ignoreChain = true;
  override ignoreAgent = true;
  override ignoreRetriever = true;
  override ignoreCustomEvent = true;

  /**
   * The tree that LangGraph runs a node under. Marked as off it would take this handler with it. One
   * for all: making one for each node was a tenth of a run, and nothing is ever hung below it.
   */
  getRunTreeWithTracingConfig(): RunTree {
    UNTRACED ??= new RunTree({ name: "untraced" });
    return UNTRACED;
  }

  updateFromRunTree(): void {}
}
