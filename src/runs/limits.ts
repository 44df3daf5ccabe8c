import { AgentError } from "../errors/agent-error.ts";
import type { ModelResult, TokenCounts } from "../observability/genai.ts";
import type { Usage } from "./run.ts";

export type Limits = { steps: number; seconds: number; tokens: number; tool_calls: number };

export const DEFAULT_LIMITS: Limits = { steps: 50, seconds: 540, tokens: 200_000, tool_calls: 100 };

const NAMES = ["steps", "seconds", "tokens", "tool_calls"] as const;

/** The smallest of what the definition, the event and the operator say; the defaults where nobody does. */
export function effectiveLimits(ofDefinition: Partial<Limits>, ofEvent: unknown, most: Limits): Limits {
  const asked = readLimits(ofEvent);
  const limits = { ...DEFAULT_LIMITS };
  for (const name of NAMES) {
    const said = [ofDefinition[name], asked[name]].filter((value) => value !== undefined);
    limits[name] = Math.min(most[name], ...(said.length > 0 ? said : [limits[name]]));
  }
  return limits;
}

function readLimits(value: unknown): Partial<Limits> {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) {
    throw new AgentError("invalid_input", "limits must be an object", { path: "/limits" });
  }
  const limits: Partial<Limits> = {};
  for (const [key, limit] of Object.entries(value)) {
    const name = NAMES.find((each) => each === key);
    const path = `/limits/${key}`;
    if (name === undefined) {
      throw new AgentError("invalid_input", `there is no such limit; there are ${NAMES.join(", ")}`, {
        path,
      });
    }
    if (typeof limit !== "number" || !(limit > 0)) {
      throw new AgentError("invalid_input", "a limit is a number greater than 0", { path });
    }
    limits[name] = limit;
  }
  return limits;
}

/** Counts what a run uses, and stops it at its limits by aborting its signal. */
export class Meter {
  readonly #limits: Limits;
  readonly #stop: (reason: AgentError) => void;
  readonly #startedAt = performance.now();
  #counted: Omit<Usage, "seconds" | "cost_usd">;
  /** Absent once some call had no price: a part of the cost would be taken for all of it. */
  #cost: number | undefined = 0;
  #isPriced = false;
  #secondsBefore = 0;

  constructor(limits: Limits, stop: (reason: AgentError) => void) {
    this.#limits = limits;
    this.#stop = stop;
    const { seconds: _, ...counted } = NO_USAGE;
    this.#counted = counted;
  }

  /** What earlier attempts of the run used up counts against the same limits. */
  carryOver({ seconds, cost_usd: cost, ...counted }: Usage): void {
    this.#secondsBefore = seconds;
    this.#counted = counted;
    this.#cost = counted.model_calls === 0 ? 0 : cost;
    this.#isPriced = cost !== undefined;
  }

  step(): void {
    this.#counted.steps++;
    this.#check("steps", this.#counted.steps);
  }

  handleLLMEnd(result: ModelResult): void {
    this.#counted.model_calls++;
    for (const generation of result.generations.flat()) this.#addTokens(generation.message?.usage_metadata);
    this.#check("tokens", this.#counted.total_tokens);
  }

  handleToolStart(): void {
    this.#counted.tool_calls++;
    this.#check("tool_calls", this.#counted.tool_calls);
  }

  askedInstead(): void {
    this.#counted.tool_calls--;
  }

  addCost(usd: number | undefined): void {
    this.#cost = usd === undefined || this.#cost === undefined ? undefined : this.#cost + usd;
    this.#isPriced = true;
  }

  get secondsLeft(): number {
    return Math.max(0, this.#limits.seconds - this.#secondsBefore);
  }

  usage(): Usage {
    const seconds = this.#secondsBefore + (performance.now() - this.#startedAt) / 1000;
    const cost = this.#cost !== undefined && this.#isPriced ? { cost_usd: round(this.#cost, 9) } : {};
    return { ...this.#counted, seconds: round(seconds, 3), ...cost };
  }

  #addTokens(counts: TokenCounts | undefined): void {
    if (counts === undefined) return;
    this.#counted.input_tokens += counts.input_tokens;
    this.#counted.output_tokens += counts.output_tokens;
    this.#counted.total_tokens += counts.total_tokens;
  }

  #check(name: "steps" | "tokens" | "tool_calls", used: number): void {
    if (used > this.#limits[name]) this.#stop(limitExceeded(name, this.#limits[name]));
  }
}

function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

export function limitExceeded(name: keyof Limits, limit: number): AgentError {
  return new AgentError(
    "limit_exceeded",
    `the run went past its limit of ${limit} ${name.replace("_", " ")}`,
    {
      path: `/limits/${name}`,
    },
  );
}

export const NO_USAGE: Usage = {
  input_tokens: 0,
  output_tokens: 0,
  total_tokens: 0,
  model_calls: 0,
  tool_calls: 0,
  steps: 0,
  seconds: 0,
};
