import { ChatAnthropic } from "@langchain/anthropic";
import type { ModelDefinition } from "./definition.ts";
import { NO_KEY } from "./endpoints.ts";
import type { Connection } from "./models.ts";

/** The guard minds the time; the client's own clock would count the guard's retries as one request. */
const NEVER_MS = 86_400_000;

/** Anthropic. Everything that the client would else read from the environment is said here. */
export function anthropicModel(model: ModelDefinition, { baseUrl, fetch }: Connection): ChatAnthropic {
  return new ChatAnthropic({
    model: model.model_name ?? "",
    ...(model.temperature === undefined ? {} : { temperature: model.temperature }),
    ...(model.max_tokens === undefined ? {} : { maxTokens: model.max_tokens }),
    apiKey: NO_KEY, // the guard puts the real one in
    anthropicApiUrl: baseUrl,
    maxRetries: 0,
    outputVersion: "v0",
    clientOptions: { fetch, authToken: null, timeout: NEVER_MS, logLevel: "off" },
  });
}
