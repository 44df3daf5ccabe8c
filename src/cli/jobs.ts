import { type Api, apiOf, jobPath } from "./api.ts";
import { noMore, OUTPUT, REMOTE, readArguments, required, unknownWord, wantsJson } from "./arguments.ts";
import { colourOf, painter, tame } from "./paint.ts";
import { endAs, type Job, jobLines, outcomeLines } from "./show-job.ts";
import type { CliTools } from "./tools.ts";
import { UsageError } from "./usage-error.ts";

/** jobs list | show | tail | cancel | retry */
export async function jobs([what, ...args]: readonly string[], tools: CliTools): Promise<void> {
  if (what === "list") return await listJobs(args, tools);
  if (what === "show") return await showJob(args, tools);
  if (what === "tail") return await tailJob(args, tools);
  if (what === "cancel") return await cancelJob(args, tools);
  if (what === "retry") return await retryJob(args, tools);
  throw unknownWord("jobs", what, ["list", "show", "tail", "cancel", "retry"]);
}

type Summary = {
  job_id: string;
  status: string;
  agent?: string;
  accepted_at: string;
  settled_at: string | null;
};

async function listJobs(args: readonly string[], tools: CliTools): Promise<void> {
  const text = { type: "string" } as const;
  const options = { ...REMOTE, ...OUTPUT, status: text, since: text, until: text, after: text, limit: text };
  const { values, positionals } = readArguments(args, options);
  noMore(positionals, 0);
  const query = new URLSearchParams();
  for (const name of ["status", "since", "until", "after", "limit"] as const) {
    if (values[name] !== undefined) query.set(name, values[name]);
  }
  const page = (await apiOf(values, tools).get(`/jobs?${query}`)) as { jobs: Summary[]; next: string | null };
  if (wantsJson(values, tools)) return tools.print(JSON.stringify(page));
  const paint = painter(tools);
  for (const { job_id, status, agent = "", accepted_at } of page.jobs) {
    tools.print(
      `${accepted_at}  ${paint(colourOf(status), status.padEnd(9))}  ${tame(job_id)}  ${tame(agent)}`.trimEnd(),
    );
  }
  if (page.jobs.length === 0) tools.complain("no jobs");
  if (page.next !== null) tools.complain(`there are more: --after ${page.next}`);
}

async function read(api: Api, jobId: string): Promise<Job> {
  return (await api.get(jobPath(jobId))) as Job; // the contract of the route
}

async function showJob(args: readonly string[], tools: CliTools): Promise<void> {
  const { values, positionals } = readArguments(args, { ...REMOTE, ...OUTPUT });
  noMore(positionals, 1);
  const job = await read(apiOf(values, tools), required(positionals[0], "the job's id"));
  if (wantsJson(values, tools)) return tools.print(JSON.stringify(job));
  for (const line of jobLines(job, painter(tools))) tools.print(line);
}

async function tailJob(args: readonly string[], tools: CliTools): Promise<void> {
  const { values, positionals } = readArguments(args, { ...REMOTE, ...OUTPUT });
  noMore(positionals, 1);
  await tail(apiOf(values, tools), required(positionals[0], "the job's id"), wantsJson(values, tools), tools);
}

/** Everything that happens to a job, and then what came of it; ends as the job did. */
export async function tail(api: Api, jobId: string, asJson: boolean, tools: CliTools): Promise<void> {
  const { follow } = await import("./follow.ts");
  const { frameShower } = await import("./show-frame.ts");
  const paint = painter(tools);
  await follow(api, jobId, frameShower(tools, paint, asJson));
  const job = await read(api, jobId);
  if (asJson) tools.print(JSON.stringify({ event_type: "job", data: job }));
  else {
    tools.print("");
    for (const line of job.status === "waiting" ? jobLines(job, paint) : outcomeLines(job, paint))
      tools.print(line);
  }
  endAs(job);
}

async function cancelJob(args: readonly string[], tools: CliTools): Promise<void> {
  const text = { type: "string" } as const;
  const { values, positionals } = readArguments(args, { ...REMOTE, ...OUTPUT, run: text, reason: text });
  noMore(positionals, 1);
  const jobId = required(positionals[0], "the job's id");
  const body = { ...(values.run && { run_id: values.run }), ...(values.reason && { reason: values.reason }) };
  const done = await apiOf(values, tools).post(jobPath(jobId, "/cancel"), body);
  say(done, values, tools, (status) => `${status}; a run at work ends within a second`);
}

async function retryJob(args: readonly string[], tools: CliTools): Promise<void> {
  const text = { type: "string" } as const;
  const { values, positionals } = readArguments(args, { ...REMOTE, ...OUTPUT, run: text, from: text });
  noMore(positionals, 1);
  const jobId = required(positionals[0], "the job's id");
  if (values.from !== undefined && values.from !== "input" && values.from !== "checkpoint") {
    throw new UsageError("--from takes input or checkpoint");
  }
  const body = { ...(values.run && { run_id: values.run }), ...(values.from && { from: values.from }) };
  const done = await apiOf(values, tools).post(jobPath(jobId, "/retry"), body);
  say(done, values, tools, () => "queued again: jobs tail shows it");
}

function say(
  done: unknown,
  values: { json?: boolean; plain?: boolean },
  tools: CliTools,
  inWords: (status: string) => string,
): void {
  if (wantsJson(values, tools)) {
    tools.print(JSON.stringify(done));
    return;
  }
  const { job_id, status = "", run_id } = done as { job_id: string; status?: string; run_id?: string };
  tools.print(`${tame(job_id)}${run_id === undefined ? "" : `  run ${run_id}`}  ${inWords(status)}`);
}
