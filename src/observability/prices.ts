import type { Tokens } from "./genai.ts";

/** US dollars for a million tokens. */
export type Price = { input: number; output: number; cached: number };

/** What a call costs; undefined without a price. Tokens from the provider's cache have their own. */
export function priceOf(price: Price | undefined, { input, output, cached }: Tokens): number | undefined {
  if (price === undefined) return undefined;
  const fresh = Math.max(0, input - cached);
  return (fresh * price.input + cached * price.cached + output * price.output) / 1_000_000;
}

/** Reads a price table, `{"openai/gpt-4o-mini": {"input": 0.15, "output": 0.6, "cached": 0.075}}`. */
export function readPrices(text: string): ReadonlyMap<string, Price> {
  const table = parse(text);
  if (typeof table !== "object" || table === null || Array.isArray(table))
    throw wrong("must be a JSON object");
  return new Map(Object.entries(table).map(([name, price]) => [name, readPrice(name, price)]));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong("is not JSON");
  }
}

function readPrice(name: string, value: unknown): Price {
  if (!/^[\w.-]+\/\S+$/.test(name)) throw wrong(`"${name.slice(0, 80)}" is no provider/model`);
  const { input, output, cached = input } = (value ?? {}) as Record<string, unknown>;
  const isPrice = (each: unknown): each is number => typeof each === "number" && each >= 0 && each < Infinity;
  if (isPrice(input) && isPrice(output) && isPrice(cached)) return { input, output, cached };
  throw wrong(`"${name.slice(0, 80)}" needs the numbers input and output, and may have cached`);
}

function wrong(what: string): Error {
  return new Error(
    `MODEL_PRICES: the table ${what}; it looks like {"openai/gpt-4o-mini":{"input":0.15,"output":0.6,"cached":0.075}}, in US dollars for a million tokens`,
  );
}
