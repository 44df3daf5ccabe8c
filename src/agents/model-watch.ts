export type CallOutcome = "ok" | "refused" | "unavailable" | "aborted";
export type TokenCounts = { input: number; output: number; cached: number };

/** Who wants to know what is asked of providers. Only names of the closed list of providers are told. */
export type ModelWatch = {
  /** One request over the network, tries again included. */
  called(provider: string, outcome: CallOutcome): void;
  retried(provider: string): void;
  /** How long a request waited for its place. */
  waited(provider: string, seconds: number): void;
  /** A model gave up and its fallback is asked. */
  fellBack(provider: string): void;
  used(provider: string, tokens: TokenCounts): void;
};

/** What LangChain calls back with; only the part that is read here. */
type ModelResult = { generations: { message?: { usage_metadata?: UsageMetadata } }[][] };
type UsageMetadata = {
  input_tokens: number;
  output_tokens: number;
  input_token_details?: { cache_read?: number };
};

/** For the `callbacks` of a model: its tokens as the provider counted them. */
export function tokenCallbacks(provider: string, watch: () => ModelWatch | undefined): object[] {
  const handleLLMEnd = ({ generations }: ModelResult): void => {
    for (const { message } of generations.flat()) {
      const usage = message?.usage_metadata;
      if (usage === undefined) continue;
      const cached = usage.input_token_details?.cache_read ?? 0;
      watch()?.used(provider, { input: usage.input_tokens, output: usage.output_tokens, cached });
    }
  };
  return [{ awaitHandlers: true, handleLLMEnd }];
}
