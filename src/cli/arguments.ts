import { readFile } from "node:fs/promises";
import process from "node:process";
import { text } from "node:stream/consumers";
import { type ParseArgsConfig, parseArgs } from "node:util";
import { didYouMean } from "../errors/near-miss.ts";
import type { CliTools } from "./tools.ts";
import { UsageError } from "./usage-error.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** Options every verb has that talks to a service. */
export const REMOTE = { url: { type: "string" }, token: { type: "string" } } as const;
export const OUTPUT = { json: { type: "boolean" }, plain: { type: "boolean" } } as const;

/** Words and options of a command; what is not among the options is a wrong use. */
export function readArguments<O extends Options>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    const [sentence = ""] = (error instanceof Error ? error.message : String(error)).split(". ");
    throw new UsageError(sentence);
  }
}

/** JSON if asked for, and where nobody looks. */
export function wantsJson(
  { json, plain }: { json?: boolean; plain?: boolean },
  { isTerminal }: CliTools,
): boolean {
  if (json && plain) throw new UsageError("--json and --plain exclude each other");
  return json ?? (plain ? false : !isTerminal);
}

export function required(value: string | undefined, what: string): string {
  if (value === undefined || value === "") throw new UsageError(`${what} is missing`);
  return value;
}

export function noMore(words: readonly string[], most: number): void {
  const extra = words[most];
  if (extra !== undefined) throw new UsageError(`"${extra}" is one word too many`);
}

/** A file, or standard input for `-`. */
export async function readInput(file: string): Promise<string> {
  if (file === "-") return await text(process.stdin);
  return await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(error.code === "ENOENT" ? `there is no file ${file}` : `${file}: ${error.message}`);
  });
}

/** What stands in the place of a second word and is none. */
export function unknownWord(verb: string, word: string | undefined, words: readonly string[]): UsageError {
  const takes = `${verb} takes ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
  return new UsageError(word === undefined ? takes : `${takes}, not "${word}"${didYouMean(word, words)}`);
}
