import { Check, Errors } from "typebox/schema";
import { AgentError } from "../errors/agent-error.ts";
import { didYouMean } from "../errors/near-miss.ts";
import { invalid } from "./definition-problem.ts";
import { below, isRecord, quote } from "./json.ts";

type Schema = Record<string, unknown>;

/** What is wrong with these arguments, in words for the model; undefined when they fit. */
export type ArgumentCheck = (args: unknown) => string | undefined;

/**
 * Reads the `input_schema` of a tool. It comes from a sender, so it is copied keyword by keyword and
 * checked without making code of it: what may run for ever (patterns, recursion) is not checked or
 * refused, and what we cannot check is refused, because an argument that nobody looks at is let in.
 */
export function readInputSchema(schema: Schema, path: string): ArgumentCheck {
  const copy = new SchemaCopy(schema, path).schema(schema, path);
  if (!isRecord(copy)) throw invalid("must be the schema of an object", path);
  const { type = "object" } = copy;
  if (type !== "object") throw invalid('must have the type "object"', below(path, "type"));
  const check = { ...copy, type };
  return (args) => {
    if (Check(check, args)) return undefined;
    const [, errors] = Errors(check, args);
    const said = errors
      .filter(({ keyword }) => !ECHOES.has(keyword))
      .map(
        ({ instancePath, message }) => `${instancePath === "" ? "the arguments" : instancePath} ${message}`,
      );
    return [...new Set(said)].slice(0, MAX_SAID).join("; ");
  };
}

/** As it is told to the model: some providers refuse an object schema without these two. */
export function schemaForModel(schema: Schema): Schema {
  return { ...schema, type: "object", properties: schema["properties"] ?? {} };
}

const MAX_SAID = 5;
/** Keywords that repeat, from further up, what another problem says better. */
const ECHOES = new Set(["boolean", "anyOf"]);
/** With all references written out: each part may be looked at for each argument. */
const MAX_PARTS = 1000;
const MAX_DEPTH = 64;

const TYPES = ["object", "array", "string", "number", "integer", "boolean", "null"];
/** For people and models; nothing is checked by them. A pattern could take for ever on the wrong text. */
const SAID_ONLY = new Set(
  `title description default example examples deprecated readOnly writeOnly format pattern contentEncoding
  contentMediaType $schema $comment $defs definitions nullable`.split(/\s+/),
);

type Kind = "schema" | "schemas" | "list" | "count" | "number" | "names" | "values" | "any" | "flag" | "type";
const KEYWORDS: Readonly<Record<string, Kind>> = {
  ...{ type: "type", enum: "values", const: "any" },
  ...{ properties: "schemas", required: "names", additionalProperties: "schema" },
  ...{ minProperties: "count", maxProperties: "count" },
  ...{ items: "schema", prefixItems: "list", minItems: "count", maxItems: "count", uniqueItems: "flag" },
  ...{ minLength: "count", maxLength: "count" },
  ...{ minimum: "number", maximum: "number", exclusiveMinimum: "number", exclusiveMaximum: "number" },
  ...{ multipleOf: "number", allOf: "list", anyOf: "list", oneOf: "list", not: "schema" },
};

class SchemaCopy {
  readonly #root: Schema;
  readonly #path: string;
  readonly #open = new Set<string>();
  #parts = 0;
  #depth = 0;

  constructor(root: Schema, path: string) {
    this.#root = root;
    this.#path = path;
  }

  schema(schema: unknown, path: string): unknown {
    if (typeof schema === "boolean") return schema;
    if (!isRecord(schema)) throw invalid("must be a JSON Schema: an object, true or false", path);
    if (++this.#parts > MAX_PARTS) throw invalid("the schema is too large", this.#path);
    if (++this.#depth > MAX_DEPTH) throw invalid("the schema is nested too deeply", this.#path);
    const copy: Schema = {};
    const all: unknown[] = [];
    for (const [keyword, value] of Object.entries(schema)) {
      const at = below(path, keyword);
      if (keyword === "$ref") all.push(this.#target(value, at));
      else if (keyword === "allOf") all.push(...this.#list(value, at));
      else if (!SAID_ONLY.has(keyword) && !keyword.startsWith("x-"))
        copy[keyword] = this.#value(keyword, value, at);
    }
    this.#depth--;
    return all.length === 0 ? copy : { ...copy, allOf: all };
  }

  #value(keyword: string, value: unknown, path: string): unknown {
    const kind = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined;
    switch (kind) {
      case undefined: {
        const hint = didYouMean(keyword, Object.keys(KEYWORDS));
        const message = `${quote(keyword)} is a keyword that this version cannot check${hint}`;
        throw new AgentError("not_supported_yet", message, { path });
      }
      case "schema":
        return this.schema(value, path);
      case "schemas":
        return this.#schemas(value, path);
      case "list":
        return this.#list(value, path);
      default:
        if (FITS[kind](value)) return value;
        throw invalid(`is no usable value of ${quote(keyword)}`, path);
    }
  }

  #list(value: unknown, path: string): unknown[] {
    if (!Array.isArray(value) || value.length === 0) throw invalid("must be a list of schemas", path);
    return value.map((each, i) => this.schema(each, below(path, i)));
  }

  #schemas(value: unknown, path: string): Schema {
    if (!isRecord(value)) throw invalid("must be an object of schemas", path);
    const entries = Object.entries(value).map(([name, each]) => {
      // Every object has these already, so they cannot be told from arguments.
      if (name in Object.prototype)
        throw invalid(`${quote(name)} is no name for an argument`, below(path, name));
      return [name, this.schema(each, below(path, name))] as const;
    });
    return Object.fromEntries(entries);
  }

  /** What a reference names, written out: it must lie within the schema, and not contain itself. */
  #target(reference: unknown, path: string): unknown {
    const named =
      typeof reference === "string" ? /^#\/(\$defs|definitions)\/([^/%~]+)$/.exec(reference) : null;
    const [whole, group = "", name = ""] = named ?? [];
    const defined = this.#root[group];
    if (whole === undefined || !isRecord(defined) || !Object.hasOwn(defined, name)) {
      throw invalid("must name a schema under $defs or definitions: #/$defs/<name>", path);
    }
    if (this.#open.has(whole)) {
      throw new AgentError(
        "not_supported_yet",
        `${quote(name)} contains itself: this version does not check that`,
        {
          path,
        },
      );
    }
    this.#open.add(whole);
    const target = this.schema(defined[name], below(below(this.#path, group), name));
    this.#open.delete(whole);
    return target;
  }
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;
const isName = (value: unknown) => typeof value === "string";

const FITS: Readonly<Record<Exclude<Kind, "schema" | "schemas" | "list">, (value: unknown) => boolean>> = {
  count: isCount,
  number: (value) => typeof value === "number",
  names: (value) => Array.isArray(value) && value.every(isName),
  values: (value) => Array.isArray(value) && value.length > 0,
  any: () => true,
  flag: (value) => typeof value === "boolean",
  type: (value) => {
    const types = Array.isArray(value) ? value : [value];
    return types.length > 0 && types.every((each) => TYPES.includes(each));
  },
};
