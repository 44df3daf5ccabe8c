import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AgentError } from "../errors/agent-error.ts";
import type { ModelDefinition } from "./definition.ts";
import { DelegatingModel, type Strategy } from "./delegating-model.ts";
import type { Leave } from "./gate.ts";
import { below } from "./json.ts";
import { describeForeignError, withoutKeys } from "./model-errors.ts";
import { UNIVERSAL, type UniversalProvider } from "./universal-providers.ts";

export type UniversalOptions = {
  provider: UniversalProvider;
  maxRetries: number;
  callbacks: object[];
  enter(signal: AbortSignal | undefined): Promise<Leave>;
  told(error: unknown, signal: AbortSignal | undefined): void;
  /** Brings the package of a provider; another one in tests. */
  load?: (name: string) => Promise<Record<string, unknown>>;
};

type ModelClass = new (fields: object) => BaseChatModel;

/**
 * A model of a provider whose package the operator added. Its key comes from where the package looks
 * for it in the environment of the process; a definition can point it nowhere else.
 */
export async function universalModel(
  model: ModelDefinition,
  options: UniversalOptions,
): Promise<BaseChatModel> {
  if (model.base_url !== undefined) {
    const message = `provider "${model.provider}" takes no base_url: only openai and anthropic do`;
    throw new AgentError("base_url_not_allowed", message, { path: below(model.path, "base_url") });
  }
  const Model = await classOf(options.provider, model.path, options.load ?? ((name) => import(name)));
  return new DelegatingModel([construct(Model, model, options)], inItsPlace(options));
}

async function classOf(
  provider: UniversalProvider,
  path: string,
  load: (name: string) => Promise<Record<string, unknown>>,
): Promise<ModelClass> {
  const { package: name, className } = UNIVERSAL[provider];
  const at = { path: below(path, "provider") };
  try {
    const found = (await load(name))[className];
    if (typeof found === "function") return found as ModelClass; // the table says so
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
    const why = missing
      ? `needs the package ${name}, which is not installed: the operator adds it with "npm install ${name}"`
      : `has the package ${name}, but it cannot be loaded`;
    throw new AgentError("unknown_provider", `provider "${provider}" ${why}`, { cause, ...at });
  }
  throw new AgentError("unknown_provider", `the package ${name} of another edition has no ${className}`, at);
}

function construct(Model: ModelClass, model: ModelDefinition, options: UniversalOptions): BaseChatModel {
  const { mostTokens = "maxTokens" } = UNIVERSAL[options.provider] as { mostTokens?: string };
  try {
    return new Model({
      model: model.model_name ?? "",
      ...(model.temperature === undefined ? {} : { temperature: model.temperature }),
      ...(model.max_tokens === undefined ? {} : { [mostTokens]: model.max_tokens }),
      maxRetries: options.maxRetries,
      callbacks: options.callbacks,
      outputVersion: "v0",
    });
  } catch (cause) {
    const said = cause instanceof Error ? withoutKeys(cause.message).slice(0, 300) : "";
    const message = `provider "${options.provider}" is not set up in this service: ${said}`;
    throw new AgentError("missing_credentials", message, { cause, path: below(model.path, "provider") });
  }
}

/** Its requests are its own; what we can count and cap is the whole call. */
function inItsPlace({ enter, told, provider }: UniversalOptions): Strategy {
  return async (links, ask, signal) => {
    const [link] = links;
    if (link === undefined) throw new AgentError("internal", "no model to ask");
    const leave = await enter(signal);
    try {
      const answer = await ask(link);
      told(undefined, signal);
      return answer;
    } catch (error) {
      const failure = signal?.aborted ? error : describeForeignError(error, provider);
      told(failure, signal);
      throw failure;
    } finally {
      leave();
    }
  };
}
