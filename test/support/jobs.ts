import { type ExecuteEvent, executeEvent } from "./agents.ts";
import type { Interrupt } from "./approvals.ts";
import { get, postEvent } from "./post.ts";
import { type Patience, until } from "./wait.ts";

export type JobState = {
  status: string;
  result: { output: unknown } | null;
  interrupts: Interrupt[];
  usage: { tool_calls: number };
  runs: { run_id: string; attempt: number; status: string }[];
};

/** A new job whose first run was answered: its event, its id and that run's. */
export async function startJob(
  url: string,
  data: Record<string, unknown> = {},
): Promise<{ event: ExecuteEvent; job: string; run: string }> {
  const event = executeEvent(data);
  await postEvent(url, event);
  const job = String(event.data["job_id"]);
  const { runs } = await jobAt(url, job);
  return { event, job, run: runs[0]?.run_id ?? "" };
}

export async function jobAt(url: string, jobId: string): Promise<JobState> {
  return (await get(`${url}/jobs/${jobId}`)).json() as JobState; // the contract of the route
}

/** The job once it is so. */
export async function jobWhen(
  url: string,
  jobId: string,
  isSo: (job: JobState) => boolean,
  { what = "the job to get there", timeoutMs = 30_000 }: Partial<Patience> = {},
): Promise<JobState> {
  const look = async () => {
    const job = await jobAt(url, jobId);
    return isSo(job) && job;
  };
  return await until(look, { what, timeoutMs });
}
