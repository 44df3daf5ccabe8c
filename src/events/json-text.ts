import { isDeeperThan } from "./json-scan.ts";
import { invalidEvent } from "./refusals.ts";

/** What a text is called in messages, and how many levels around the data belong to the envelope. */
export type JsonPlace = { name: string; envelopeLevels: number };

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Reads bytes as JSON: UTF-8 with or without byte order mark, nesting capped, no keys that reach for prototypes. */
export function parseJsonBytes(bytes: Uint8Array, maxDepth: number, place: JsonPlace): [unknown, string] {
  const text = decode(bytes, place.name);
  // JSON.parse survives any depth, but whoever stringifies or walks the value later does not.
  if (isDeeperThan(text, maxDepth + place.envelopeLevels)) {
    throw invalidEvent(`The data nests deeper than ${maxDepth} levels: flatten it.`);
  }
  const value = parse(text, place.name);
  if (PROTO_KEY.test(text) || CONSTRUCTOR_KEY.test(text)) refusePrototypeKeys(value);
  return [value, text];
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw invalidEvent(`The ${name} is not UTF-8: send JSON in UTF-8.`);
  }
}

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, so it goes neither into ours nor along as the cause.
    throw invalidEvent(`The ${name} is not valid JSON: correct it.`);
  }
}

const PROTO_KEY = keyInAnySpelling("__proto__");
const CONSTRUCTOR_KEY = keyInAnySpelling("constructor");

/** Matches the key also where letters are written as \u escapes. */
function keyInAnySpelling(key: string): RegExp {
  const letters = [...key].map((letter) => {
    const hex = letter.charCodeAt(0).toString(16).padStart(4, "0");
    return `(?:${letter}|\\\\u${hex})`;
  });
  return new RegExp(`"${letters.join("")}"\\s*:`, "i");
}

/**
 * JSON.parse makes `__proto__` a harmless own key, but the first `Object.assign` or merge over the value
 * makes it a prototype. The scan also hits texts that only mention the keys, so the value decides.
 */
function refusePrototypeKeys(value: unknown): void {
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const node = waiting.pop();
    if (typeof node !== "object" || node === null) continue;
    for (const [key, child] of Object.entries(node)) {
      if (key === "__proto__") {
        throw invalidEvent('The key "__proto__" is not allowed at any depth: remove it.');
      }
      if (key === "constructor" && isJsonObject(child) && Object.hasOwn(child, "prototype")) {
        throw invalidEvent('The key "constructor" may not hold "prototype" at any depth: remove it.');
      }
      waiting.push(child);
    }
  }
}

/** A JSON object: not null, not an array. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
