import { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import { RunTree } from "langsmith";

let UNTRACED: RunTree | undefined;

/**
 * Keeps LangSmith away from a graph. LangChain adds its tracer to every call when the environment
 * says so, unless a handler of the tracer's name is there already: this is that handler, and it
 * records nothing.
 */
class NoTracing extends BaseCallbackHandler {
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

/** The methods of a handler that anybody here listens with. */
const HEARD = [
  "handleChainStart",
  "handleChainEnd",
  "handleChainError",
  "handleToolStart",
  "handleToolEnd",
  "handleToolError",
  "handleChatModelStart",
  "handleLLMNewToken",
  "handleLLMEnd",
  "handleLLMError",
] as const;
type Heard = (typeof HEARD)[number];

/** Some of those methods, and whether models shall stream for them. */
export type Listener = { [name in Heard]?: (...said: never[]) => void } & { lc_prefer_streaming?: boolean };

class Listening extends NoTracing {
  override ignoreLLM = false;
  override ignoreChain = false;
  override ignoreAgent = false;
  // In the background the last call could be counted after the run was settled.
  override awaitHandlers = true;
}

let silent: NoTracing | undefined;
let listening: Listening | undefined;

/**
 * One handler for all who listen to a call, which keeps the tracer away too: LangChain makes promises for each
 * handler at every step and token, whether it listens or not. Made from a pattern, for its constructor reads
 * the environment.
 */
export function oneHandler(listeners: readonly Listener[]): object {
  if (listeners.length === 0) {
    silent ??= new NoTracing();
    return silent;
  }
  listening ??= new Listening();
  const handler = Object.create(listening) as Record<string, unknown>;
  for (const name of HEARD) {
    const heardBy = listeners.flatMap((listener) => listener[name] ?? []) as ((...said: unknown[]) => void)[];
    if (heardBy.length === 0) continue;
    handler[name] = (...said: unknown[]) => {
      for (const hear of heardBy) hear(...said);
    };
  }
  if (listeners.some((listener) => listener.lc_prefer_streaming)) handler["lc_prefer_streaming"] = true;
  return handler;
}
