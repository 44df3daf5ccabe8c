import { readFile } from "node:fs/promises";
import process from "node:process";
import { text } from "node:stream/consumers";
import { UsageError } from "./usage-error.ts";

type Print = { print(line: string): void };

/** One line for each problem; any makes the command fail. */
export async function validate(file: string | undefined, { print }: Print): Promise<void> {
  const { problemsOf } = await import("../agents/definition.ts");
  const problems = problemsOf(await readBody(file));
  if (problems.length === 0) return print("the definition is valid");
  for (const { code, path, message } of problems) print(`${code} at ${path || "/"}: ${message}`);
  throw new Error(`${problems.length} ${problems.length === 1 ? "problem" : "problems"} found`);
}

export async function drawGraph(file: string | undefined, { print }: Print): Promise<void> {
  const { readDefinition } = await import("../agents/definition.ts");
  const { mermaid } = await import("../agents/mermaid.ts");
  print(mermaid(readDefinition(await readBody(file))));
}

async function readBody(file: string | undefined): Promise<unknown> {
  if (file === undefined) throw new UsageError("a file is missing; - reads standard input");
  const body = file === "-" ? await text(process.stdin) : await readFile(file, "utf8");
  // YAML takes JSON too, but says less well what is wrong with it.
  if (!/\.ya?ml$/i.test(file)) return JSON.parse(body);
  const { parse } = await import("yaml");
  return parse(body, { maxAliasCount: 0 });
}
