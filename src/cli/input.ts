import { readFile } from "node:fs/promises";
import process from "node:process";
import { text } from "node:stream/consumers";
import { UsageError } from "./usage.ts";

/** A file as the command line names it; - is standard input. */
export async function readInput(file: string | undefined): Promise<string> {
  if (file === undefined) throw new UsageError("a file is missing; - reads standard input");
  return file === "-" ? await text(process.stdin) : await readFile(file, "utf8");
}
