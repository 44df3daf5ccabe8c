import { readInput, required } from "./arguments.ts";
import type { CliTools } from "./tools.ts";

/** One line for each problem; any makes the command fail. */
export async function validate([file]: readonly string[], { print }: CliTools): Promise<void> {
  const { problemsOf } = await import("../agents/definition.ts");
  const problems = problemsOf(await readBody(file));
  if (problems.length === 0) return print("the definition is valid");
  for (const { code, path, message } of problems) print(`${code} at ${path || "/"}: ${message}`);
  throw new Error(`${problems.length} ${problems.length === 1 ? "problem" : "problems"} found`);
}

export async function drawGraph([file]: readonly string[], { print }: CliTools): Promise<void> {
  const { readDefinition } = await import("../agents/definition.ts");
  const { mermaid } = await import("../agents/mermaid.ts");
  print(mermaid(readDefinition(await readBody(file))));
}

export async function schema(_args: readonly string[], { print }: CliTools): Promise<void> {
  const { definitionJsonSchema } = await import("../agents/definition.ts");
  print(JSON.stringify(definitionJsonSchema(), null, 2));
}

async function readBody(named: string | undefined): Promise<unknown> {
  const file = required(named, "a file (- reads standard input)");
  const body = await readInput(file);
  // YAML takes JSON too, but says less well what is wrong with it.
  if (!/\.ya?ml$/i.test(file)) return JSON.parse(body);
  const { parse } = (await import("yaml")).default; // CommonJS: the bundle gives it no names of its own
  return parse(body, { maxAliasCount: 0 });
}
