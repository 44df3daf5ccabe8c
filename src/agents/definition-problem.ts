import type { TSchema } from "typebox";
import { AgentError } from "../errors/agent-error.ts";
import { didYouMean } from "../errors/near-miss.ts";
import { below, isRecord, listOf, quote } from "./json.ts";

/** What the validator says of one place; only the part that we read. */
type Problem = { keyword: string; schemaPath: string; instancePath: string; params: object; message: string };

/** Takes a problem: throws it where the first one counts, keeps it where all do. */
export type Report = (problem: AgentError) => void;

export const throwFirst: Report = (problem) => {
  throw problem;
};

/** What this gives, or nothing where it threw a problem that was taken. */
export function attempt<T>(report: Report, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    report(error);
    return undefined;
  }
}

export function invalid(message: string, path: string): AgentError {
  return new AgentError("invalid_definition", message, { path });
}

/** Keys of the service that came before whose place is elsewhere now. */
const ELSEWHERE = new Map([["user_request", ": what the user asks is the `input` of the event"]]);

/** Keywords that only repeat, from further up, what another problem says better. */
const ECHOES = new Set(["boolean", "if", "anyOf"]);

/** One problem for each part of a definition that does not fit: a node, a tool, an edge, a key at the top. */
export function schemaProblems(schema: TSchema, body: unknown, problems: readonly Problem[]): AgentError[] {
  const parts = new Map<string, Problem[]>();
  for (const problem of problems) {
    if (ECHOES.has(problem.keyword)) continue;
    const part = problem.instancePath.split("/").slice(0, 3).join("/");
    parts.set(part, [...(parts.get(part) ?? []), problem]);
  }
  if (parts.size === 0) return [schemaProblem(schema, body, problems)];
  return [...parts.values()].map((each) => schemaProblem(schema, body, each));
}

/**
 * The validator reports every branch of every alternative. The deepest place is the one that the
 * sender got wrong: what is reported further up only says that no alternative fitted.
 */
export function schemaProblem(schema: TSchema, body: unknown, problems: readonly Problem[]): AgentError {
  let deepest: Problem | undefined;
  for (const problem of problems) {
    if (ECHOES.has(problem.keyword)) continue;
    if (deepest === undefined || depthOf(problem) > depthOf(deepest)) deepest = problem;
  }
  if (deepest === undefined) return invalid("the definition does not fit the schema", "");
  return describe(schema, body, deepest, problems);
}

function depthOf({ keyword, instancePath }: Problem): number {
  const depth = instancePath.split("/").length;
  return keyword === "additionalProperties" ? depth + 1 : depth; // its place is the key, one further down
}

function describe(schema: TSchema, body: unknown, problem: Problem, all: readonly Problem[]): AgentError {
  const { keyword, schemaPath, instancePath, params, message } = problem;
  switch (keyword) {
    case "additionalProperties": {
      const [key = ""] = stringsOf(params, "additionalProperties");
      const known = Object.keys(Object(at(schema, `${schemaPath}/properties`)));
      return invalid(
        `${quote(key)} is no key of this part of a definition${ELSEWHERE.get(key) ?? didYouMean(key, known)}`,
        below(instancePath, key),
      );
    }
    case "required": {
      const [key = ""] = stringsOf(params, "requiredProperties");
      return invalid(`${quote(key)} is missing`, below(instancePath, key));
    }
    case "enum":
      return notOneOf(at(body, instancePath), stringsOf(params, "allowedValues"), instancePath);
    case "type": {
      const sameplace = all.filter((each) => each.keyword === "type" && each.instancePath === instancePath);
      return invalid(
        `must be ${sameplace.flatMap((each) => stringsOf(each.params, "type")).join(" or ")}`,
        instancePath,
      );
    }
    default:
      return invalid(message, instancePath);
  }
}

function notOneOf(value: unknown, allowed: string[], path: string): AgentError {
  const code = path.endsWith("/provider") ? "unknown_provider" : "invalid_definition";
  const list = allowed.join(", ");
  // Only a string is quoted: an object from JSON may have a `toString` that is no function.
  if (typeof value !== "string") return new AgentError(code, `must be one of ${list}`, { path });
  return new AgentError(code, `${quote(value)} is none of ${list}${didYouMean(value, allowed)}`, { path });
}

function stringsOf(params: object, key: string): string[] {
  const value = isRecord(params) ? params[key] : undefined;
  return typeof value === "string" ? [value] : listOf(value).map(String);
}

/** The part that a JSON pointer names; a leading `#` is the validator's. */
function at(whole: unknown, pointer: string): unknown {
  let part = whole;
  for (const step of pointer.split("/").slice(1)) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    part = Array.isArray(part) ? part[Number(key)] : isRecord(part) ? part[key] : undefined;
  }
  return part;
}
