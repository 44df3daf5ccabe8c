import type { Findings } from "./findings.ts";
import type { Given } from "./variables.ts";

/** A server of one's own may need no key, and the models for examples need none; the rest have one, or Vault. */
export function chooseModels(given: Given, production: boolean, { problems }: Findings) {
  const allowOffline = given.ALLOW_OFFLINE_MODELS ?? !production;
  const { OPENAI_API_KEY, ANTHROPIC_API_KEY, OPENAI_BASE_URL, VAULT_ADDR } = given;
  const any = OPENAI_API_KEY ?? ANTHROPIC_API_KEY ?? OPENAI_BASE_URL ?? VAULT_ADDR;
  if (production && any === undefined && !allowOffline) {
    problems.push("OPENAI_API_KEY, ANTHROPIC_API_KEY or VAULT_ADDR: missing; production needs a model's key");
  }
  return {
    openai: { apiKey: OPENAI_API_KEY, baseUrl: OPENAI_BASE_URL },
    anthropic: { apiKey: ANTHROPIC_API_KEY, baseUrl: given.ANTHROPIC_BASE_URL },
    baseUrls: given.MODEL_BASE_URLS,
    maxConcurrent: given.MODEL_MAX_CONCURRENT,
    pricesFile: given.MODEL_PRICES,
    allowOffline,
  };
}
