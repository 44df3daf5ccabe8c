import { isRecord } from "./json.ts";

export type Args = Readonly<Record<string, unknown>>;

/** An argument that does not fit where it goes; the message is for the model. */
export class ArgumentProblem extends Error {}

/** A literal, or the name of the argument that goes there. */
type Part = string | { readonly argument: string };

/** `{name}` is an argument, `{{name}}` the text `{name}`; any other brace stands for itself. */
const PLACE = /\{\{([A-Za-z_][\w-]*)\}\}|\{([A-Za-z_][\w-]*)\}/g;

function partsOf(template: string): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const match of template.matchAll(PLACE)) {
    const [whole, literal, argument] = match;
    parts.push(template.slice(end, match.index));
    parts.push(argument === undefined ? `{${literal}}` : { argument });
    end = match.index + whole.length;
  }
  return [...parts, template.slice(end)].filter((part) => part !== "");
}

/** The arguments that a template names, wherever in it they stand. */
export function argumentsIn(template: unknown): string[] {
  if (typeof template === "string") {
    return partsOf(template).flatMap((part) => (typeof part === "string" ? [] : [part.argument]));
  }
  if (Array.isArray(template)) return template.flatMap(argumentsIn);
  return isRecord(template) ? Object.values(template).flatMap(argumentsIn) : [];
}

/** The argument's name if the template is nothing else. */
export function wholeArgument(template: string): string | undefined {
  const [part, ...more] = partsOf(template);
  return typeof part === "object" && more.length === 0 ? part.argument : undefined;
}

function argumentOf(name: string, args: Args): unknown {
  return Object.hasOwn(args, name) ? args[name] : undefined;
}

/** A text with the arguments in it. What stands beside other text has to be there. */
export function fillText(
  template: string,
  args: Args,
  encode: (text: string, name: string) => string = (text) => text,
): string {
  const parts = partsOf(template).map((part) => {
    if (typeof part === "string") return part;
    const value = argumentOf(part.argument, args);
    if (value === undefined || value === null) throw new ArgumentProblem(`${part.argument} is missing`);
    return encode(asText(value), part.argument);
  });
  return parts.join("");
}

/** The same for a text that may be left out: undefined when it is nothing but an argument that is not given. */
export function fillOptional(template: string, args: Args): unknown {
  const name = wholeArgument(template);
  return name === undefined ? fillText(template, args) : (argumentOf(name, args) ?? undefined);
}

/** JSON with the arguments in it: a text that is nothing but an argument becomes the argument's value. */
export function fillJson(template: unknown, args: Args): unknown {
  if (typeof template === "string") {
    const name = wholeArgument(template);
    return name === undefined ? fillText(template, args) : argumentOf(name, args);
  }
  if (Array.isArray(template)) return template.map((item) => fillJson(item, args) ?? null);
  if (!isRecord(template)) return template;
  const members = Object.entries(template).map(([key, value]) => [key, fillJson(value, args)] as const);
  return Object.fromEntries(members.filter(([, value]) => value !== undefined));
}

export function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
