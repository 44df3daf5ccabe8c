import { ChatOpenAI } from "@langchain/openai";
import type { ModelDefinition } from "./definition.ts";
import { NO_KEY } from "./endpoints.ts";
import type { Connection } from "./models.ts";

/** The guard minds the time; the client's own clock would count the guard's retries as one request. */
const NEVER_MS = 86_400_000;

/**
 * OpenAI, or a server that speaks its API. Everything that the client would else read from the
 * environment is said here. `streaming` is not set: with it, `invoke` fetches a tokenizer from the
 * public network to count tokens that the provider counts anyway.
 */
export function openaiModel(model: ModelDefinition, { baseUrl, fetch, callbacks }: Connection): ChatOpenAI {
  return new ChatOpenAI({
    model: model.model_name ?? "",
    ...(model.temperature === undefined ? {} : { temperature: model.temperature }),
    ...(model.max_tokens === undefined ? {} : { maxTokens: model.max_tokens }),
    apiKey: NO_KEY, // the guard puts the real one in
    maxRetries: 0,
    callbacks,
    timeout: NEVER_MS,
    outputVersion: "v0",
    configuration: {
      baseURL: baseUrl,
      fetch,
      organization: null,
      project: null,
      adminAPIKey: null,
      logLevel: "off",
    },
  });
}
