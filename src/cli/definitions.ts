import { readInput, required } from "./arguments.ts";
import type { CliTools } from "./tools.ts";

export async function validate([file]: readonly string[], { print }: CliTools): Promise<void> {
  const { readDefinition } = await import("../agents/definition.ts");
  readDefinition(JSON.parse(await readInput(required(file, "a file (- reads standard input)"))));
  print("the definition is valid");
}

export async function schema(_args: readonly string[], { print }: CliTools): Promise<void> {
  const { definitionJsonSchema } = await import("../agents/definition.ts");
  print(JSON.stringify(definitionJsonSchema(), null, 2));
}
