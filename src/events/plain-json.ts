type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const MAX_DEPTH = 128;

/**
 * A copy of the value that is surely JSON, also when the original is not. Results come out of graphs and
 * tools: a cycle, a BigInt or 10,000 levels of nesting in one of them must not keep a run from settling.
 */
export function plainJson(value: unknown): Json {
  try {
    return JSON.parse(jsonText(value ?? null));
  } catch {
    return tame(value, []);
  }
}

/** JSON.stringify, with half surrogate pairs as U+FFFD: Postgres and many a JSON parser refuse them. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value);
  if (!text.includes("\\ud")) return text;
  // Escapes are taken whole, so that the second backslash of "\\ud800" is not taken for the start of one.
  return text.replace(/\\(?:ud[89a-f][0-9a-f]{2}|.)/g, (found) =>
    found.startsWith("\\ud") ? "\uFFFD" : found,
  );
}

function tame(value: unknown, ancestors: readonly object[]): Json {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : null;
    case "bigint":
      return value.toString();
    case "object":
      return value === null ? null : tameObject(value, ancestors);
    default:
      return null;
  }
}

function tameObject(value: object, ancestors: readonly object[]): Json {
  if (ancestors.includes(value)) return "[circular]";
  if (ancestors.length >= MAX_DEPTH) return "[too deep]";
  const path = [...ancestors, value];
  try {
    if (Array.isArray(value)) return value.map((element) => tame(element, path));
    if ("toJSON" in value && typeof value.toJSON === "function") return tame(value.toJSON(), path);
    const entries = Object.entries(value).filter(([, child]) => child !== undefined);
    return Object.fromEntries(entries.map(([key, child]) => [key, tame(child, path)]));
  } catch {
    return "[unreadable]"; // a getter or a toJSON of someone else threw
  }
}
