import { readInput } from "./input.ts";

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
  const body = await readInput(file);
  // YAML takes JSON too, but says less well what is wrong with it.
  if (!/\.ya?ml$/i.test(file ?? "")) return JSON.parse(body);
  const { parse } = await import("yaml");
  return parse(body, { maxAliasCount: 0 });
}
