import { AgentError } from "../errors/agent-error.ts";
import { UsageError } from "./usage.ts";
import { type CliTools, verbs } from "./verbs.ts";

/** Runs one command line and gives its exit code: 0 done, 1 failed, 2 used wrongly. */
export async function runCommandLine(
  [word, ...args]: readonly string[],
  tools: CliTools & { complain(line: string): void },
): Promise<number> {
  if (word === undefined || word === "help" || word === "--help") {
    tools.print(help());
    return 0;
  }
  const verb = Object.hasOwn(verbs, word) ? verbs[word] : undefined;
  if (verb === undefined) {
    tools.complain(`there is no verb "${word}"\n${help()}`);
    return 2;
  }
  try {
    await verb.run(args, tools);
    return 0;
  } catch (error) {
    tools.complain(describe(error));
    return error instanceof UsageError ? 2 : 1;
  }
}

function help(): string {
  const rows = Object.values(verbs).map((verb) => `  agent-executor ${verb.usage.padEnd(44)} ${verb.does}`);
  return ["Usage:", ...rows].join("\n");
}

function describe(error: unknown): string {
  if (error instanceof AgentError) return `${error.code} at ${error.path ?? "/"}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
