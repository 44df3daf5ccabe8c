import { readFile, stat } from "node:fs/promises";
import { hideValue } from "../observability/redaction.ts";

/** What may stand in a header line: the token's own alphabet is smaller. */
const TOKEN = /^[\x21-\x7e]{1,16384}$/;

/**
 * A bearer token that someone else rotates in a file. Every use looks at the file and reads it again when
 * it has changed. `mayBeAbsent`: a file that is not there means no token; else it is an error.
 */
export class TokenFile {
  readonly #path: string;
  readonly #mayBeAbsent: boolean;
  #last: { version: string; token: string } | undefined;

  constructor(path: string, { mayBeAbsent }: { mayBeAbsent: boolean }) {
    this.#path = path;
    this.#mayBeAbsent = mayBeAbsent;
  }

  async read(): Promise<string | undefined> {
    try {
      // Kubernetes swaps a link: the number of the file changes even where the clock's grain hides the rest.
      const { mtimeMs, ino, size } = await stat(this.#path);
      const version = `${mtimeMs}:${ino}:${size}`;
      if (this.#last?.version !== version) {
        const token = checked(await readFile(this.#path, "utf8"), this.#path);
        hideValue(token);
        this.#last = { version, token };
      }
      return this.#last.token;
    } catch (error) {
      const isAbsent = error instanceof Error && "code" in error && error.code === "ENOENT";
      if (isAbsent && this.#mayBeAbsent) return undefined;
      if (isAbsent) throw new Error(`there is no file ${this.#path}`, { cause: error });
      throw error;
    }
  }
}

function checked(text: string, path: string): string {
  const token = text.trim();
  // Never the text: it may be the token with a slip in it.
  if (!TOKEN.test(token)) throw new Error(`${path} holds no bearer token`);
  return token;
}
