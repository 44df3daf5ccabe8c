import { AgentError } from "../errors/agent-error.ts";
import { invalid } from "./definition-problem.ts";
import { below, isRecord, quote } from "./json.ts";
import type { RunFacts } from "./run-facts.ts";
import type { Args } from "./templates.ts";

/** An argument that comes from the run and its event instead of from the model. */
export type Injection = { argument: string; steps: readonly string[]; isRequired: boolean };

type Schema = Record<string, unknown>;

export function readInjections(
  sent: Readonly<Record<string, string>> = {},
  schema: Schema,
  path: string,
): Injection[] {
  const { properties, required } = schema;
  return Object.entries(sent).map(([argument, source]) => {
    if (!isRecord(properties) || !Object.hasOwn(properties, argument)) {
      throw invalid(`${quote(argument)} is no property of input_schema`, below(path, argument));
    }
    const isRequired = Array.isArray(required) && required.includes(argument);
    return { argument, steps: source.split("."), isRequired };
  });
}

/** The schema of what the model gives: it neither learns of the others nor may it send them. */
export function withoutInjected(schema: Schema, injections: readonly Injection[]): Schema {
  const hidden = new Set(injections.map(({ argument }) => argument));
  const { properties, required, ...rest } = schema;
  const shown = isRecord(properties) ? Object.entries(properties).filter(([name]) => !hidden.has(name)) : [];
  const left = Array.isArray(required) ? required.filter((name) => !hidden.has(String(name))) : [];
  return {
    ...rest,
    properties: Object.fromEntries(shown),
    ...(left.length > 0 ? { required: left } : {}),
  };
}

/** The arguments of a call with those of the run; whatever the model sent under their names is dropped. */
export function inject(args: Args, injections: readonly Injection[], facts: RunFacts): Args {
  if (injections.length === 0) return args;
  const all: Record<string, unknown> = { ...args };
  for (const { argument, steps, isRequired } of injections) {
    delete all[argument];
    const value = steps.reduce<unknown>(member, facts);
    if (value !== undefined) all[argument] = value;
    else if (isRequired) {
      throw new AgentError("invalid_input", `a tool needs ${steps.join(".")}, and the event has none`, {
        path: `/${steps.join("/")}`,
      });
    }
  }
  return all;
}

function member(whole: unknown, key: string): unknown {
  return isRecord(whole) && Object.hasOwn(whole, key) ? whole[key] : undefined;
}
