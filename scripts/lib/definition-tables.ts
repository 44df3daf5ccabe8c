import { Definition, Edge, Limits, Node } from "../../src/agents/definition-schema.ts";
import { Model } from "../../src/agents/model-schema.ts";
import { StateSchema } from "../../src/agents/state-schema.ts";
import { Tool } from "../../src/agents/tool-schema.ts";
import { table } from "./table.ts";

/** What the tables read of a JSON Schema. */
type Schema = {
  description?: string;
  type?: string | string[];
  enum?: unknown[];
  anyOf?: Schema[];
  items?: Schema;
  default?: unknown;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  required?: string[];
};

const channel = Object.values((StateSchema as unknown as Schema).patternProperties ?? {})[0] ?? {};

const PARTS: readonly (readonly [string, Schema])[] = [
  ["The definition", Definition],
  ["A node", Node],
  ["Its model", Model],
  ["Its approval", nodePart("approval")],
  ["An edge", Edge],
  ["A channel of `state_schema`", channel],
  ["A tool", Tool],
  ["Limits", Limits],
].map(([title, schema]) => [String(title), schema as unknown as Schema] as const); // TypeBox's values are JSON Schema

/** A table for each part of a definition. */
export function definitionTables(): string {
  return PARTS.map(([title, schema]) => `### ${title}\n\n${tableOf(schema)}`).join("\n\n");
}

function tableOf({ properties = {}, required = [] }: Schema): string {
  const rows = Object.entries(properties).map(([key, schema]) => [
    `\`${key}\`${required.includes(key) ? " (needed)" : ""}`,
    takes(schema),
    schema.description ?? "",
  ]);
  return table(["Key", "Takes", "Meaning"], rows);
}

function takes(schema: Schema): string {
  const { anyOf, items, type } = schema;
  const initial = schema.default === undefined ? "" : `; default \`${JSON.stringify(schema.default)}\``;
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(", ") + initial;
  if (anyOf && type === undefined) return [...new Set(anyOf.map(takes))].join(" or ") + initial;
  if (type === "array") return `list of ${items === undefined ? "anything" : takes(items)}${initial}`;
  return (type === undefined ? "anything" : String(type)) + initial;
}

function nodePart(key: string): Schema {
  return (Node as unknown as Schema).properties?.[key] ?? {};
}
