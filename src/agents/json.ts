/** For reading what was sent before, or beside, its validation. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The list, or nothing where there is none: what is no list is the validator's to refuse. */
export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Keys and names come from the sender: quoted, and cut before they fill a log line. */
export function quote(word: string): string {
  return JSON.stringify(word.length > 100 ? `${word.slice(0, 100)}…` : word);
}

/** A JSON pointer one step further down. */
export function below(path: string, key: string | number): string {
  const step = String(key).slice(0, 100).replaceAll("~", "~0").replaceAll("/", "~1");
  return `${path}/${step}`;
}
