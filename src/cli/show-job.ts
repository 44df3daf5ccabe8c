import { CommandFailed } from "./exit.ts";
import { colourOf, type Paint, tame, tameLines } from "./paint.ts";

/** `GET /jobs/{id}`, as far as it is shown. */
export type Job = {
  job_id: string;
  status: string;
  result: { output?: unknown } | null;
  error: { code: string; message: string; path?: string } | null;
  interrupts: Interrupt[];
  usage: Record<string, number> | null;
  definition: { hash: string; name?: string } | null;
  runs: {
    run_id: string;
    seq: number;
    status: string;
    attempt: number;
    accepted_at: string;
    settled_at: string | null;
  }[];
};

export type Interrupt = {
  interrupt_id: string;
  kind: string;
  message: string;
  tool?: string;
  args?: unknown;
  args_digest?: string;
  allowed: string[];
  expires_at?: string;
  decision?: string;
};

export function jobLines(job: Job, paint: Paint): string[] {
  const name = job.definition?.name === undefined ? "" : `  ${tame(job.definition.name)}`;
  return [
    `${paint("bold", tame(job.job_id))}  ${paint(colourOf(job.status), job.status)}${name}`,
    ...job.runs.map(
      ({ seq, run_id, status, attempt, accepted_at }) =>
        `  run ${seq}  ${run_id}  ${paint(colourOf(status), status.padEnd(9))}  attempt ${attempt}  ${accepted_at}`,
    ),
    ...job.interrupts
      .filter(({ decision }) => decision === undefined)
      .flatMap((each) => questionLines(each, paint)),
    ...outcomeLines(job, paint),
  ];
}

export function questionLines(
  { interrupt_id, message, tool, args, allowed, expires_at }: Interrupt,
  paint: Paint,
): string[] {
  const until = expires_at === undefined ? "" : `, until ${expires_at}`;
  return [
    `${paint("yellow", "?")} ${tame(message)}  (${allowed.join(", ")}${until})`,
    ...(tool === undefined ? [] : [`  ${paint("cyan", tame(tool))} ${tame(JSON.stringify(args) ?? "")}`]),
    `  ${paint("dim", interrupt_id)}`,
  ];
}

/** What came of it. */
export function outcomeLines({ result, error, usage }: Job, paint: Paint): string[] {
  const { output } = result ?? {};
  const text = typeof output === "string" ? output : JSON.stringify(output, null, 2);
  return [
    ...(result === null || text === undefined ? [] : [tameLines(text)]),
    ...(error === null
      ? []
      : [
          paint("red", `${error.code}${error.path ? ` at ${tame(error.path)}` : ""}: ${tame(error.message)}`),
        ]),
    ...(usage === null ? [] : [paint("dim", usageLine(usage))]),
  ];
}

export function usageLine(usage: Record<string, number>): string {
  const {
    total_tokens: tokens = 0,
    model_calls: models = 0,
    tool_calls: tools = 0,
    steps = 0,
    seconds = 0,
    cost_usd: cost,
  } = usage;
  const parts = [
    `${steps} steps`,
    `${models} model calls`,
    `${tools} tool calls`,
    `${tokens} tokens`,
    `${seconds} s`,
  ];
  return [...parts, ...(cost === undefined ? [] : [`$${cost}`])].join(", ");
}

/** Ends as the job did. */
export function endAs({ job_id, status, error }: Job): void {
  const approve = `agent-executor approve ${JSON.stringify(job_id)}`;
  if (status === "failed") throw new CommandFailed(`the run failed: ${error?.code ?? "no reason is given"}`);
  if (status === "cancelled") throw new CommandFailed("the run was cancelled");
  if (status === "waiting") throw new CommandFailed(`the run waits for a person: ${approve}, or reject`, 4);
}
