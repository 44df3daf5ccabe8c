import { randomUUID } from "node:crypto";
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** What the service shows: its log lines, answers over HTTP, the events it sends, and frames of its streams. */
export type Shown = "logs" | "answers" | "events" | "frames";
const KINDS: readonly Shown[] = ["logs", "answers", "events", "frames"];
export type Testimony = { secrets: string[]; searched: Record<Shown, number>; hits: string[] };

/** Names the folder in which all test files leave what they saw. */
export const WITNESS_VARIABLE = "TEST_WITNESS";

/** As short as what the service promises to hide. */
const SHORTEST = 6;
const SECRET_NAME = /password|secret$|api_key|token$/i;

/**
 * Looks for every secret that a test gives the service in everything that the service shows the test. The
 * helpers of the tests call it, so that no test has to think of it; the end of each file asks for `hits`.
 */
export class Witness {
  readonly #forms = new Map<string, string[]>();
  readonly #searched: Record<Shown, number> = { logs: 0, answers: 0, events: 0, frames: 0 };
  readonly #hits = new Set<string>();

  know(secret: string | undefined): void {
    const value = secret?.trim() ?? "";
    if (value.length < SHORTEST || this.#forms.has(value)) return;
    const base64 = Buffer.from(value).toString("base64").replaceAll("=", "");
    const forms = [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value), base64];
    this.#forms.set(value, [...new Set(forms)]);
  }

  /** The values of variables, or of a secret in Vault, whose names say that they are secret. */
  knowThoseIn(values: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(values)) {
      if (typeof value !== "string") continue;
      if (SECRET_NAME.test(name)) this.know(value);
      else if (URL.canParse(value)) this.know(new URL(value).password);
    }
  }

  see(kind: Shown, text: string): void {
    this.#searched[kind] += text.length;
    for (const forms of this.#forms.values()) {
      const at = forms.map((form) => text.indexOf(form)).find((place) => place >= 0);
      if (at !== undefined) this.#hits.add(`${kind}: …${text.slice(Math.max(0, at - 120), at + 120)}…`);
    }
  }

  get hits(): readonly string[] {
    return [...this.#hits];
  }

  /** For the sum over all files; the secrets too, so that what is left in Redis can be searched for them. */
  testify(): void {
    const folder = process.env[WITNESS_VARIABLE];
    if (folder === undefined) return;
    const testimony: Testimony = {
      secrets: [...this.#forms.keys()],
      searched: this.#searched,
      hits: [...this.#hits],
    };
    appendFileSync(join(folder, randomUUID()), JSON.stringify(testimony));
  }
}

/** The one of this process, which is one test file. */
export const witness = new Witness();

export function testimonies(folder: string): Testimony {
  const all = readdirSync(folder).map((file) => JSON.parse(readFileSync(join(folder, file), "utf8")));
  const sum = (kind: Shown) =>
    (all as Testimony[]).reduce((total, { searched }) => total + searched[kind], 0);
  return {
    secrets: [...new Set((all as Testimony[]).flatMap(({ secrets }) => secrets))],
    searched: Object.fromEntries(KINDS.map((kind) => [kind, sum(kind)])) as Testimony["searched"],
    hits: (all as Testimony[]).flatMap(({ hits }) => hits),
  };
}
