import { CommandFailed } from "./exit.ts";
import { type CliTools, type LentTools, withStandIns } from "./tools.ts";
import { UsageError } from "./usage-error.ts";
import { type Verb, verbs } from "./verbs.ts";

/** Runs one command line and gives its exit code, as exit.ts lists them. */
export async function runCommandLine([word, ...args]: readonly string[], lent: LentTools): Promise<number> {
  const tools = withStandIns(lent);
  if (word === undefined || word === "--help" || word === "-h") return printHelp(tools);
  if (word === "help")
    return args[0] === undefined ? printHelp(tools) : await runCommandLine([args[0], "--help"], lent);
  const verb = Object.hasOwn(verbs, word) ? verbs[word] : undefined;
  if (verb === undefined) {
    const { didYouMean } = await import("../errors/near-miss.ts");
    tools.complain(
      `there is no verb "${word}"${didYouMean(word, Object.keys(verbs))}; agent-executor --help lists them`,
    );
    return 2;
  }
  if (args.includes("--help") || args.includes("-h")) {
    for (const line of helpOf(verb)) tools.print(line);
    return 0;
  }
  try {
    await verb.run(args, tools);
    return 0;
  } catch (error) {
    return await complainOf(error, word, tools);
  }
}

async function complainOf(error: unknown, word: string, { complain }: CliTools): Promise<number> {
  const { AgentError } = await import("../errors/agent-error.ts");
  if (error instanceof UsageError) {
    complain(`${error.message}; agent-executor ${word} --help says how it is used`);
    return 2;
  }
  if (error instanceof AgentError) complain(`${error.code} at ${error.path ?? "/"}: ${error.message}`);
  else complain(error instanceof Error ? error.message : String(error));
  return error instanceof CommandFailed ? error.exitCode : 1;
}

function printHelp({ print }: CliTools): number {
  const rows = Object.entries(verbs).map(([name, { does }]) => `  ${name.padEnd(12)} ${does}`);
  const end = "agent-executor <verb> --help shows how a verb is used, with examples.";
  for (const line of ["Usage: agent-executor <verb> …", "", ...rows, "", end]) print(line);
  return 0;
}

/** Also for docs/cli.md, which is printed from here. */
export function helpOf({ usage, does, options = [], examples = [] }: Verb): string[] {
  const width = Math.max(0, ...options.map(([option]) => option.length));
  return [
    `Usage: agent-executor ${usage}`,
    "",
    `  ${does}`,
    ...(options.length === 0 ? [] : ["", "Options:"]),
    ...options.map(([option, what]) => `  ${option.padEnd(width)}  ${what}`),
    ...(examples.length === 0 ? [] : ["", "Examples:"]),
    ...examples.map((example) => `  ${example}`),
  ];
}
