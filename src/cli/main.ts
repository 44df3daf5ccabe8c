#!/usr/bin/env node
import { readFile } from "node:fs/promises";
import process from "node:process";
import { text } from "node:stream/consumers";
import { AgentError } from "../errors/agent-error.ts";

type Verb = { usage: string; does: string; run(args: readonly string[]): Promise<void> };

const verbs: Readonly<Record<string, Verb>> = {
  validate: {
    usage: "validate <definition.json|->",
    does: "checks an agent definition and says what is wrong, and where",
    run: async ([file]) => {
      const { readDefinition } = await import("../agents/definition.ts");
      readDefinition(JSON.parse(await readInput(file)));
      console.log("the definition is valid");
    },
  },
  schema: {
    usage: "schema",
    does: "prints the JSON Schema of agent definitions",
    run: async () => {
      const { definitionJsonSchema } = await import("../agents/definition.ts");
      console.log(JSON.stringify(definitionJsonSchema(), null, 2));
    },
  },
};

/** An unknown verb or a wrong use of one: exit code 2, as shells have it. */
class UsageError extends Error {}

async function readInput(file: string | undefined): Promise<string> {
  if (file === undefined) throw new UsageError("a file is missing; - reads standard input");
  return file === "-" ? await text(process.stdin) : await readFile(file, "utf8");
}

function help(): string {
  const rows = Object.values(verbs).map((verb) => `  agent-executor ${verb.usage.padEnd(34)} ${verb.does}`);
  return ["Usage:", ...rows].join("\n");
}

async function main([word, ...args]: readonly string[]): Promise<number> {
  if (word === undefined || word === "help" || word === "--help") {
    console.log(help());
    return 0;
  }
  const verb = Object.hasOwn(verbs, word) ? verbs[word] : undefined;
  if (verb === undefined) {
    console.error(`there is no verb "${word}"\n${help()}`);
    return 2;
  }
  try {
    await verb.run(args);
    return 0;
  } catch (error) {
    console.error(describe(error));
    return error instanceof UsageError ? 2 : 1;
  }
}

function describe(error: unknown): string {
  if (error instanceof AgentError) return `${error.code} at ${error.path ?? "/"}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

process.exitCode = await main(process.argv.slice(2));
