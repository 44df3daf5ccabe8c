import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AgentError } from "../errors/agent-error.ts";
import type { ModelDefinition } from "./definition.ts";
import { type HostedProvider, keyFor, type ModelSettings, resolveEndpoint } from "./endpoints.ts";
import { type GuardOptions, guardedFetch } from "./guarded-fetch.ts";
import { below } from "./json.ts";

/** What a provider's file needs beside the definition: where, and the only fetch it may use. */
export type Connection = { baseUrl: string; fetch: typeof globalThis.fetch };

const SILENCE_SECONDS = 180;
const MAX_RETRIES = 2;

/** How each provider wants its key. */
const AUTHORIZATION: Record<HostedProvider, GuardOptions["authorization"]> = {
  openai: (key) => ({ authorization: `Bearer ${key}` }),
  anthropic: (key) => ({ "x-api-key": key }),
};

/**
 * The model of a definition. Each provider's package is imported on first use: together they
 * cost more than the rest of a start.
 */
export async function createModel(
  model: ModelDefinition,
  settings: () => ModelSettings,
): Promise<BaseChatModel> {
  switch (model.provider) {
    case "openai": {
      const connection = connect("openai", model, settings);
      return (await import("./openai.ts")).openaiModel(model, connection);
    }
    case "anthropic": {
      const connection = connect("anthropic", model, settings);
      return (await import("./anthropic.ts")).anthropicModel(model, connection);
    }
    case "scripted":
      allowOffline(model, settings());
      return new (await import("./scripted.ts")).ScriptedModel(model.responses ?? []);
    case "echo":
      allowOffline(model, settings());
      return new (await import("./echo.ts")).EchoModel();
  }
}

function connect(
  provider: HostedProvider,
  model: ModelDefinition,
  settings: () => ModelSettings,
): Connection {
  const now = settings();
  const endpoint = resolveEndpoint(provider, model.base_url, now, below(model.path, "base_url"));
  keyFor(provider, endpoint, now); // a missing key is said now, not after the first steps of a run
  const fetch = guardedFetch({
    endpoint,
    key: () => keyFor(provider, endpoint, settings()),
    authorization: AUTHORIZATION[provider],
    silenceSeconds: now.silenceSeconds ?? SILENCE_SECONDS,
    maxRetries: now.maxRetries ?? MAX_RETRIES,
  });
  return { baseUrl: endpoint.href, fetch };
}

function allowOffline(model: ModelDefinition, { offlineModels }: ModelSettings): void {
  if (offlineModels) return;
  const message = `provider "${model.provider}" needs no network and is refused here; it is for examples and tests`;
  throw new AgentError("offline_model_refused", message, { path: below(model.path, "provider") });
}
