import { ChatAnthropic } from "@langchain/anthropic";
import type { ChatGenerationChunk } from "@langchain/core/outputs";
import type { ModelDefinition } from "./definition.ts";
import { NO_KEY } from "./endpoints.ts";
import type { Connection } from "./models.ts";

/** The guard minds the time; the client's own clock would count the guard's retries as one request. */
const NEVER_MS = 86_400_000;

/** Anthropic. Everything that the client would else read from the environment is said here. */
export function anthropicModel(
  model: ModelDefinition,
  { baseUrl, fetch, callbacks }: Connection,
): ChatAnthropic {
  return new CountedOnce({
    model: model.model_name ?? "",
    ...(model.temperature === undefined ? {} : { temperature: model.temperature }),
    ...(model.max_tokens === undefined ? {} : { maxTokens: model.max_tokens }),
    apiKey: NO_KEY, // the guard puts the real one in
    anthropicApiUrl: baseUrl,
    maxRetries: 0,
    callbacks,
    outputVersion: "v0",
    clientOptions: { fetch, authToken: null, timeout: NEVER_MS, logLevel: "off" },
  });
}

/**
 * The last event of a stream counts all tokens of the answer, the first one those it begins with;
 * LangChain adds them up, so the first count is taken out.
 */
class CountedOnce extends ChatAnthropic {
  override async *_streamResponseChunks(
    ...args: Parameters<ChatAnthropic["_streamResponseChunks"]>
  ): AsyncGenerator<ChatGenerationChunk> {
    let first = true;
    for await (const chunk of super._streamResponseChunks(...args)) {
      const { message } = chunk;
      if (first && "usage_metadata" in message) {
        const usage = message.usage_metadata as { input_tokens: number; output_tokens: number } | undefined;
        if (usage) message.usage_metadata = { ...usage, output_tokens: 0, total_tokens: usage.input_tokens };
      }
      first = false;
      yield chunk;
    }
  }
}
