import { apiOf, jobPath } from "./api.ts";
import { noMore, OUTPUT, REMOTE, readArguments, required, wantsJson } from "./arguments.ts";
import { CommandFailed } from "./exit.ts";
import { tame } from "./paint.ts";
import type { Interrupt, Job } from "./show-job.ts";
import type { CliTools } from "./tools.ts";
import { UsageError } from "./usage-error.ts";

type Kind = "approve" | "reject";

/** Answers a question of a job; without its id, the only one that is open. */
export async function decide(kind: Kind, args: readonly string[], tools: CliTools): Promise<void> {
  const text = { type: "string" } as const;
  const own = { comment: text, approver: text, args: text, value: text };
  const { values, positionals } = readArguments(args, { ...REMOTE, ...OUTPUT, ...own });
  noMore(positionals, 2);
  const jobId = required(positionals[0], "the job's id");
  const api = apiOf(values, tools);
  const question = questionOf((await api.get(jobPath(jobId))) as Job, positionals[1]);
  const decision = {
    interrupt_id: question.interrupt_id,
    // What was read just now is what is decided on: changed arguments are another question.
    ...(question.args_digest !== undefined && { args_digest: question.args_digest }),
    ...answer(kind, values, question),
    ...(values.comment && { comment: values.comment }),
    ...(values.approver && { approver: values.approver }),
  };
  const done = await api.post(jobPath(jobId, "/resume"), { decisions: [decision] });
  if (wantsJson(values, tools)) return tools.print(JSON.stringify(done));
  tools.print(`${decision.decision}: ${tame(question.message)}`);
  tools.print(`${tame(jobId)}  ${(done as { status: string }).status}; jobs tail shows how it goes on`);
}

function questionOf({ interrupts, status }: Job, id: string | undefined): Interrupt {
  const open = interrupts.filter(({ decision }) => decision === undefined);
  const ids = open.map((each) => `  ${each.interrupt_id}  ${tame(each.message)}`).join("\n");
  if (id !== undefined) {
    const named = interrupts.find((each) => each.interrupt_id === id);
    if (named !== undefined) return named;
    throw new CommandFailed(`the job has no question ${id}${ids === "" ? "" : `; open are:\n${ids}`}`);
  }
  const [only] = open;
  if (only === undefined) throw new CommandFailed(`the job is ${status} and asks nothing`);
  if (open.length > 1) throw new UsageError(`the job asks ${open.length} questions; name one of:\n${ids}`);
  return only;
}

function answer(kind: Kind, { args, value }: { args?: string; value?: string }, { allowed }: Interrupt) {
  if (args !== undefined) return { decision: "edit", args: json(args, "--args") };
  // A plain question of a graph takes an answer and nothing else.
  if (value !== undefined) return { decision: "respond", value: jsonOrText(value) };
  if (!allowed.includes(kind)) {
    const hint = allowed.includes("respond") ? ": give the answer by --value" : "";
    throw new UsageError(`this question takes ${allowed.join(", ")}${hint}`);
  }
  return { decision: kind };
}

function json(text: string, option: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`${option} is not JSON`);
  }
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
