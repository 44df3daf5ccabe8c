import { createHash } from "node:crypto";
import { AgentError } from "../errors/agent-error.ts";
import { ArgumentProblem } from "./templates.ts";

/** The door refuses deeper JSON; a definition from elsewhere must not overflow the stack here either. */
const MAX_DEPTH = 128;

/** Names a definition by what it says: sha-256 of its canonical JSON. Key order does not matter. */
export function definitionHash(body: unknown): string {
  const tooDeep = `the definition is nested deeper than ${MAX_DEPTH} levels`;
  return hashOf(body, () => new AgentError("invalid_definition", tooDeep));
}

/** Names a tool call by what it does. */
export function callDigest(tool: string, args: unknown): string {
  return hashOf({ tool, args }, () => new ArgumentProblem(`nested deeper than ${MAX_DEPTH} levels`));
}

function hashOf(value: unknown, tooDeep: () => Error): string {
  return createHash("sha256")
    .update(canonicalJson(value, 0, tooDeep))
    .digest("hex");
}

function canonicalJson(value: unknown, depth: number, tooDeep: () => Error): string {
  if (depth > MAX_DEPTH) throw tooDeep();
  if (Array.isArray(value)) {
    return `[${value.map((item) => canonicalJson(item, depth + 1, tooDeep)).join(",")}]`;
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member, depth + 1, tooDeep)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value) ?? "null"; // undefined is no JSON; as a whole body it counts as null
}
