import type { Static } from "typebox";
import { invalid } from "./definition-problem.ts";
import type { Model, PROVIDERS, ScriptedAnswer } from "./model-schema.ts";

type SentModel = Static<typeof Model>;
export type ScriptedResponse = string | Static<typeof ScriptedAnswer>;
export type Provider = (typeof PROVIDERS)[number];

export type ModelDefinition = Omit<SentModel, "provider" | "model" | "fallbacks"> & {
  provider: Provider;
  /** Where the model stands in the definition as it was sent, for messages about it. */
  path: string;
  fallbacks?: readonly ModelDefinition[];
};

export function readModel(sent: SentModel, path: string): ModelDefinition {
  const { provider = "openai", model, model_name = model, fallbacks: sentFallbacks = [], ...rest } = sent;
  const fallbacks = sentFallbacks.map((each, i) => readModel(each, `${path}/fallbacks/${i}`));
  if (model !== undefined && model !== model_name) {
    throw invalid("model and model_name are two names for one thing, but they differ: send one", path);
  }
  if (rest.responses !== undefined && provider !== "scripted") {
    throw invalid(`responses are for provider "scripted"; this one is "${provider}"`, `${path}/responses`);
  }
  return {
    ...rest,
    provider,
    path,
    ...(fallbacks.length === 0 ? {} : { fallbacks }),
    ...(model_name === undefined ? {} : { model_name }),
  };
}
