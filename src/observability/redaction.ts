/** Shorter ones would blot out words, ids and numbers that have nothing to do with them. */
const SHORTEST = 6;
/** Tokens change for as long as the process lives: the oldest are forgotten, long after their end. */
const MOST = 1000;
const INSTEAD = "[redacted]";
/** Ids of a job and a run are the contract's, and what people look for. */
const KEPT = new Set(["job_id", "run_id", "interrupt_id"]);

const hidden = new Set<string>();
let forms: readonly string[] = [];
let inText: RegExp | undefined;
let inLines: RegExp | undefined;

/** From now on this value is shown nowhere: not in logs, errors, events or frames. */
export function hideValue(secret: string | undefined): void {
  const value = secret?.trim() ?? "";
  if (value.length < SHORTEST || hidden.has(value)) return;
  hidden.add(value);
  if (hidden.size > MOST) for (const oldest of [...hidden].slice(0, 1)) hidden.delete(oldest);
  const all = [...hidden].flatMap((each) => [
    each,
    JSON.stringify(each).slice(1, -1),
    encodeURIComponent(each),
  ]);
  // The longest first: one secret may be the start of another.
  forms = [...new Set(all)].sort((a, b) => b.length - a.length);
  const alternatives = forms.map(escaped).join("|");
  inText = new RegExp(alternatives, "g");
  inLines = new RegExp(`(?:${alternatives})(?!":)`, "g"); // a key of a log line is ours
}

/** For texts of any kind. */
export function redact(text: string): string {
  return inText === undefined ? text : text.replace(inText, INSTEAD);
}

/** For a text that comes in pieces, as tokens do: a hidden value may lie across some of them. */
export class PieceRedactor {
  #kept = "";

  /** What may be shown by now: all but an end that may be the beginning of a hidden value. */
  take(piece: string): string {
    if (forms.length === 0) return piece;
    const text = this.#kept + piece;
    const end = beginningAtTheEnd(text);
    this.#kept = text.slice(end);
    return redact(text.slice(0, end));
  }

  get isEmpty(): boolean {
    return this.#kept === "";
  }

  /** No piece follows: what was kept was no hidden value. */
  rest(): string {
    const rest = redact(this.#kept);
    this.#kept = "";
    return rest;
  }
}

/** Where the last letters begin that some hidden value begins with; the length where none does. */
function beginningAtTheEnd(text: string): number {
  let first = text.length;
  for (const form of forms) {
    const from = Math.max(0, text.length - form.length + 1);
    for (let at = text.indexOf(form.charAt(0), from); at >= 0 && at < first; ) {
      if (form.startsWith(text.slice(at)) && !isWithinHidden(text, at)) first = at;
      else at = text.indexOf(form.charAt(0), at + 1);
    }
  }
  return first;
}

/** Behind the first letter of a whole one: cut there, it would be none. */
function isWithinHidden(text: string, at: number): boolean {
  for (const { index, 0: found } of text.matchAll(inText ?? /$^/g))
    if (index < at && at < index + found.length) return true;
  return false;
}

/** For one line of JSON: it stays one. */
export function redactLine(line: string): string {
  return inLines === undefined ? line : line.replace(inLines, INSTEAD);
}

/** For plain JSON, texts and keys at any depth; what holds no secret is given back as it is. */
export function redactJson<T>(value: T): T {
  return inText === undefined ? value : (clean(value) as T);
}

function clean(value: unknown): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([key, each]) => (KEPT.has(key) ? [key, each] : [keyOf(key), clean(each)])),
  );
}

/** A password like "output" must not take the name of a field away; one that is a key alone is no word. */
const keyOf = (key: string) => (/^[a-z_]+$/.test(key) ? key : redact(key));

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");
