import type { AgentError } from "../errors/agent-error.ts";
import { isAbsoluteUri, isAttributeName, isAttributeText, isTimestamp, isUriReference } from "./formats.ts";
import type { EventAttributes } from "./incoming.ts";
import { parseMediaType } from "./media-type.ts";
import { invalidEvent, shown } from "./refusals.ts";

type Value = string | number | boolean;

/** The attributes of the specification itself; every other one is an extension. */
export const CORE_ATTRIBUTES: ReadonlySet<string> = new Set([
  "specversion",
  "id",
  "source",
  "type",
  "subject",
  "time",
  "datacontenttype",
  "dataschema",
]);

// source and id are one key of a Postgres index, whose rows hold no more than 2704 bytes.
const MAX_KEY_BYTES = 1024;
const INT32 = 2 ** 31;

/** Checks names, types and formats. Both content modes meet here: `raw` is what headers or JSON held. */
export function readAttributes(raw: ReadonlyMap<string, unknown>): EventAttributes {
  const given = readValues(raw);
  if (requiredText(given, "specversion") !== "1.0") {
    throw invalidEvent('The attribute "specversion" must be "1.0": this service takes no other version.');
  }
  const attributes: EventAttributes = {
    specversion: "1.0",
    id: requiredText(given, "id"),
    source: requiredText(given, "source"),
    type: requiredText(given, "type"),
    extensions: new Map([...given].filter(([name]) => !CORE_ATTRIBUTES.has(name))),
  };
  for (const name of ["subject", "time", "datacontenttype", "dataschema"] as const) {
    const text = optionalText(given, name);
    if (text !== undefined) attributes[name] = text;
  }
  checkKey("id", attributes.id);
  checkKey("source", attributes.source);
  checkFormats(attributes);
  return attributes;
}

/** A map and not an object: an extension may be called `constructor`. */
function readValues(raw: ReadonlyMap<string, unknown>): Map<string, Value> {
  const given = new Map<string, Value>();
  for (const [name, value] of raw) {
    if (!isAttributeName(name)) {
      throw invalidEvent(`The attribute name "${shown(name)}" may only hold a-z and 0-9: rename it.`);
    }
    // JSON null means "not set" (JSON format, 2.2).
    if (value !== null) given.set(name, readValue(name, value));
  }
  return given;
}

function readValue(name: string, value: unknown): Value {
  switch (typeof value) {
    case "string":
      if (isAttributeText(value)) return value;
      throw invalidEvent(
        `The attribute "${shown(name)}" holds a control character or something that is no Unicode text: remove it.`,
      );
    case "number":
      if (Number.isInteger(value) && value >= -INT32 && value < INT32) return value;
      throw notAnInteger(name);
    case "boolean":
      return value;
    default:
      throw invalidEvent(
        `The attribute "${shown(name)}" must be a string, an integer or a boolean: move structured values into data.`,
      );
  }
}

/** The only numbers among attributes are 32-bit integers. */
export function notAnInteger(name: string): AgentError {
  return invalidEvent(
    `The attribute "${shown(name)}" must be an integer of 32 bits without fraction or exponent: send others as strings.`,
  );
}

function requiredText(given: ReadonlyMap<string, Value>, name: string): string {
  const text = optionalText(given, name);
  if (text !== undefined) return text;
  throw invalidEvent(
    `The attribute "${name}" is missing: send it as header ce-${name} (binary mode) or as key "${name}" (structured mode).`,
  );
}

function optionalText(given: ReadonlyMap<string, Value>, name: string): string | undefined {
  const value = given.get(name);
  if (value === undefined) return undefined;
  if (typeof value !== "string") throw invalidEvent(`The attribute "${name}" must be a string.`);
  if (value === "") throw invalidEvent(`The attribute "${name}" is empty: send a value.`);
  return value;
}

function checkKey(name: string, text: string): void {
  if (Buffer.byteLength(text) > MAX_KEY_BYTES) {
    throw invalidEvent(`The attribute "${name}" is longer than ${MAX_KEY_BYTES} bytes: shorten it.`);
  }
}

function checkFormats({ source, time, datacontenttype, dataschema }: EventAttributes): void {
  if (!isUriReference(source)) {
    throw invalidEvent(
      'The attribute "source" is not a URI reference (RFC 3986): percent-encode what is none.',
    );
  }
  if (dataschema !== undefined && !isAbsoluteUri(dataschema)) {
    throw invalidEvent('The attribute "dataschema" is not an absolute URI (RFC 3986): correct it.');
  }
  if (time !== undefined && !isTimestamp(time)) {
    throw invalidEvent(
      'The attribute "time" is not an RFC 3339 timestamp: send it like 2030-01-31T12:00:00Z, or leave it out.',
    );
  }
  if (datacontenttype !== undefined && parseMediaType(datacontenttype) === undefined) {
    throw invalidEvent(
      'The attribute "datacontenttype" is not a media type: send it like application/json, or leave it out.',
    );
  }
}
