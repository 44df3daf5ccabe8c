import type { FastifyInstance } from "fastify";
import { AgentError } from "../errors/agent-error.ts";
import type { JobPage, JobView } from "../runs/jobs.ts";

export type JobsOptions = {
  readJob: (jobId: string) => Promise<JobView>;
  listJobs: (filter: { status?: string; after?: string; limit: number }) => Promise<JobPage>;
};

const STATUSES = new Set(["queued", "running", "waiting", "completed", "failed", "cancelled"]);
const PARAMETERS = new Set(["status", "after", "limit"]);
const LIMITS = { usual: 50, most: 200 };

/** What became of the jobs, for people and programs. */
export async function jobsPlugin(app: FastifyInstance, { readJob, listJobs }: JobsOptions): Promise<void> {
  app.get<{ Params: { jobId: string } }>("/jobs/:jobId", (request) =>
    readJob(checkedId(request.params.jobId)),
  );
  app.get<{ Querystring: Record<string, unknown> }>("/jobs", (request) =>
    listJobs(readFilter(request.query)),
  );
}

/** An id that no event could have had is not asked for: Postgres refuses NUL. Length is in characters. */
function checkedId(jobId: string): string {
  if (/^[^\p{Cc}\p{Cs}]{1,256}$/u.test(jobId)) return jobId;
  throw new AgentError("unknown_job", "no job of this id is stored");
}

function readFilter(query: Record<string, unknown>): { status?: string; after?: string; limit: number } {
  for (const name of Object.keys(query)) {
    if (!PARAMETERS.has(name)) {
      throw new AgentError("invalid_request", `the parameters are ${[...PARAMETERS].join(", ")}`);
    }
  }
  const { status, after, limit = String(LIMITS.usual) } = query;
  if (status !== undefined && (typeof status !== "string" || !STATUSES.has(status))) {
    throw new AgentError("invalid_request", `status is one of ${[...STATUSES].join(", ")}`, {
      path: "/status",
    });
  }
  if (after !== undefined && typeof after !== "string") {
    throw new AgentError("invalid_request", "after is given once", { path: "/after" });
  }
  const most = typeof limit === "string" && /^\d{1,4}$/.test(limit) ? Number(limit) : 0;
  if (most < 1 || most > LIMITS.most) {
    throw new AgentError("invalid_request", `limit is a number from 1 to ${LIMITS.most}`, { path: "/limit" });
  }
  return { ...(status && { status }), ...(after && { after }), limit: most };
}
