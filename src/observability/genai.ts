import type { Attributes } from "@opentelemetry/api";

/** What LangChain tells of a model's answer; only the part that is read. */
export type ModelResult = {
  generations: {
    message?: { usage_metadata?: TokenCounts; response_metadata?: Record<string, unknown> };
    /** Where a streamed answer says why it ended. */
    generationInfo?: Record<string, unknown>;
  }[][];
};
export type TokenCounts = {
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
  input_token_details?: { cache_read?: number };
};
export type CallNames = { provider: string; model: string };

/** Names of OpenTelemetry's conventions for generative AI; what was said is in none of them. */
export function callAttributes({ provider, model }: CallNames): Attributes {
  return {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": provider,
    ...(model !== "" && { "gen_ai.request.model": model }),
  };
}

export function resultAttributes(result: ModelResult): Attributes {
  const { input, output } = tokensOf(result);
  const [first] = result.generations.flat();
  const told = { ...first?.generationInfo, ...first?.message?.response_metadata };
  const { model_name: model, finish_reason, stop_reason } = told;
  const reason = finish_reason ?? stop_reason;
  return {
    ...(input + output > 0 && { "gen_ai.usage.input_tokens": input, "gen_ai.usage.output_tokens": output }),
    ...(typeof model === "string" && { "gen_ai.response.model": model.slice(0, 100) }),
    ...(typeof reason === "string" && { "gen_ai.response.finish_reasons": [reason.slice(0, 50)] }),
  };
}

export type Tokens = { input: number; output: number; cached: number };

export function tokensOf(result: ModelResult): Tokens {
  const tokens = { input: 0, output: 0, cached: 0 };
  for (const { message } of result.generations.flat()) {
    const usage = message?.usage_metadata;
    tokens.input += usage?.input_tokens ?? 0;
    tokens.output += usage?.output_tokens ?? 0;
    tokens.cached += usage?.input_token_details?.cache_read ?? 0;
  }
  return tokens;
}
