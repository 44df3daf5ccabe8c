import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AgentError } from "../errors/agent-error.ts";
import { traceHeaders } from "../observability/spans.ts";
import type { ModelDefinition } from "./definition.ts";
import { type HostedProvider, isPublic, keyFor, type ModelSettings, resolveEndpoint } from "./endpoints.ts";
import type { Leave } from "./gate.ts";
import { type GuardOptions, guardedFetch } from "./guarded-fetch.ts";
import { below } from "./json.ts";
import { describeModelError } from "./model-errors.ts";
import { identified } from "./model-identity.ts";
import { tokenCallbacks } from "./model-watch.ts";
import type { UniversalOptions } from "./universal.ts";
import type { UniversalProvider } from "./universal-providers.ts";

/** What a provider's file needs beside the definition: where, and the only fetch it may use. */
export type Connection = { baseUrl: string; fetch: typeof globalThis.fetch; callbacks: object[] };

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
  const { fallbacks = [] } = model;
  const inOrder = [model, ...fallbacks];
  const [first, ...others] = await Promise.all(inOrder.map((each) => createOne(each, settings)));
  if (first === undefined || others.length === 0) return first ?? createOne(model, settings);
  const { withFallbacks } = await import("./fallbacks.ts");
  return withFallbacks([first, ...others], (index) => {
    settings().watch?.fellBack(inOrder[index]?.provider ?? model.provider);
  });
}

async function createOne(model: ModelDefinition, settings: () => ModelSettings): Promise<BaseChatModel> {
  return identified(await construct(model, settings), model);
}

async function construct(model: ModelDefinition, settings: () => ModelSettings): Promise<BaseChatModel> {
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
    default:
      return (await import("./universal.ts")).universalModel(model, ofUniversal(model.provider, settings));
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
    enter: (signal) => enter(settings(), provider, endpoint.origin, signal),
    called: (outcome) => settings().watch?.called(provider, outcome),
    trace: () => (isPublic(provider, endpoint) ? {} : traceHeaders()),
    retried: () => settings().watch?.retried(provider),
  });
  const callbacks = tokenCallbacks(provider, () => settings().watch);
  return { baseUrl: endpoint.href, fetch, callbacks };
}

/** A place for one request. It is asked for anew at each try: who waits to try again holds none. */
async function enter(
  { gate, watch }: ModelSettings,
  provider: string,
  origin: string,
  signal: AbortSignal | undefined,
): Promise<Leave> {
  if (gate === undefined) return () => undefined;
  const since = performance.now();
  const leave = await gate.enter(`${provider} ${origin}`, signal);
  watch?.waited(provider, (performance.now() - since) / 1000);
  return leave;
}

function ofUniversal(provider: UniversalProvider, settings: () => ModelSettings): UniversalOptions {
  return {
    provider,
    maxRetries: settings().maxRetries ?? MAX_RETRIES,
    callbacks: tokenCallbacks(provider, () => settings().watch),
    enter: (signal) => enter(settings(), provider, "its own", signal),
    told: (error, signal) => settings().watch?.called(provider, outcomeOf(error, signal)),
  };
}

function outcomeOf(error: unknown, signal: AbortSignal | undefined) {
  if (error === undefined) return "ok";
  if (signal?.aborted) return "aborted";
  return describeModelError(error)?.retryable === false ? "refused" : "unavailable";
}

function allowOffline(model: ModelDefinition, { offlineModels }: ModelSettings): void {
  if (offlineModels) return;
  const message = `provider "${model.provider}" needs no network and is refused here; it is for examples and tests`;
  throw new AgentError("offline_model_refused", message, { path: below(model.path, "provider") });
}
