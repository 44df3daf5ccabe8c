import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { DelegatingModel, type Strategy } from "./delegating-model.ts";
import { describeModelError, isOfOneModel } from "./model-errors.ts";

/** The first of these models that answers. `onFallback` is told which one gave up. */
export function withFallbacks(
  models: readonly BaseChatModel[],
  onFallback: (index: number) => void,
): BaseChatModel {
  const inOrder: Strategy = async (links, ask, signal) => {
    const failures: unknown[] = [];
    for (const [i, link] of links.entries()) {
      try {
        return await ask(link);
      } catch (error) {
        failures.push(error);
        if (signal?.aborted || !isOfOneModel(error)) throw error;
        if (i < links.length - 1) onFallback(i);
      }
    }
    throw mostTelling(failures);
  };
  return new DelegatingModel(models, inOrder);
}

/** One that may pass, so that the run is tried again later; else what the first model said. */
function mostTelling(failures: readonly unknown[]): unknown {
  return failures.find((error) => describeModelError(error)?.retryable) ?? failures[0];
}
