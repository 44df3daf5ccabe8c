import type { FastifyInstance } from "fastify";
import { AgentError } from "../errors/agent-error.ts";
import { isJsonObject } from "../events/json-text.ts";
import { readResume } from "../events/resume.ts";
import type { CancelRequest } from "../runs/cancel.ts";
import type { DecideRequest } from "../runs/decide.ts";
import type { JobFilter, JobPage, JobView } from "../runs/jobs.ts";
import type { Caller } from "../runs/owner.ts";
import { readBody } from "./body.ts";

export type JobsOptions = {
  readJob: (jobId: string) => Promise<JobView>;
  listJobs: (filter: JobFilter, caller: Caller | undefined) => Promise<JobPage>;
  cancelJob: (request: CancelRequest) => Promise<boolean>;
  resumeJob: (request: DecideRequest) => Promise<void>;
  maxBodyBytes: number;
  bodyTimeoutSeconds: number;
};

const STATUSES = new Set(["queued", "running", "waiting", "completed", "failed", "cancelled"]);
const PARAMETERS = new Set(["status", "since", "until", "after", "limit"]);
const LIMITS = { usual: 50, most: 200 };

/** What became of the jobs, for people and programs. */
export async function jobsPlugin(app: FastifyInstance, options: JobsOptions): Promise<void> {
  const { readJob, listJobs, cancelJob, resumeJob } = options;
  app.get<{ Params: { jobId: string } }>("/jobs/:jobId", (request) =>
    readJob(checkedId(request.params.jobId)),
  );
  app.get<{ Querystring: Record<string, unknown> }>("/jobs", (request) =>
    listJobs(readFilter(request.query), request.caller),
  );
  app.post<{ Params: { jobId: string } }>("/jobs/:jobId/cancel", async (request, reply) => {
    const job_id = checkedId(request.params.jobId);
    const bytes = await readBody(request.raw, options.maxBodyBytes, options.bodyTimeoutSeconds);
    const { caller } = request;
    const isEnding = await cancelJob({ jobId: job_id, caller, ...readCancel(parseJson(bytes)) });
    // The end of a run at work comes a moment later: 202. Nothing to end: 200.
    const { status } = await readJob(job_id);
    return reply.code(isEnding ? 202 : 200).send({ job_id, status });
  });
  app.post<{ Params: { jobId: string } }>("/jobs/:jobId/resume", async (request, reply) => {
    const job_id = checkedId(request.params.jobId);
    const bytes = await readBody(request.raw, options.maxBodyBytes, options.bodyTimeoutSeconds);
    const body = parseJson(bytes);
    if (!isJsonObject(body)) throw new AgentError("invalid_request", "the body is an object with decisions");
    const { caller } = request;
    await resumeJob({ jobId: job_id, caller, resume: readResume(body, "") }).catch(asLostRace);
    const { status } = await readJob(job_id);
    return reply.code(202).send({ job_id, status });
  });
}

/** An id that no event could have had is not asked for: Postgres refuses NUL. Length is in characters. */
export function checkedId(jobId: string): string {
  if (/^[^\p{Cc}\p{Cs}]{1,256}$/u.test(jobId)) return jobId;
  throw new AgentError("unknown_job", "no job of this id is stored");
}

/** A person who comes second is told so by a status of its own; to a broker it would mean "again". */
function asLostRace(error: unknown): never {
  if (!(error instanceof AgentError) || error.code !== "interrupt_answered") throw error;
  throw new AgentError("lost_race", error.message, { cause: error });
}

/** Nothing is nothing, which is allowed. */
export function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new AgentError("invalid_request", "the body is not JSON", { cause });
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const MAX_REASON = 1024;

/** The body may be left out. */
function readCancel(body: unknown): { runId?: string; reason?: string } {
  if (body === undefined || body === null) return {};
  if (typeof body !== "object" || Array.isArray(body)) {
    throw new AgentError("invalid_request", "the body is an object with run_id and reason, or nothing");
  }
  const { run_id: runId, reason } = body as { run_id?: unknown; reason?: unknown }; // checked below
  if (runId !== undefined && (typeof runId !== "string" || !UUID.test(runId))) {
    throw new AgentError("invalid_request", "run_id is a UUID", { path: "/run_id" });
  }
  const isText = typeof reason === "string" && reason.length <= MAX_REASON && !/[\p{Cc}\p{Cs}]/u.test(reason);
  if (reason !== undefined && !isText) {
    throw new AgentError("invalid_request", `reason is a text of at most ${MAX_REASON} characters`, {
      path: "/reason",
    });
  }
  return { ...(runId && { runId }), ...(isText && { reason }) };
}

function readFilter(query: Record<string, unknown>): JobFilter {
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
  const since = readMoment("since", query["since"]);
  const until = readMoment("until", query["until"]);
  return {
    ...(status && { status }),
    ...(after && { after }),
    ...(since && { since }),
    ...(until && { until }),
    limit: most,
  };
}

/** A moment of RFC 3339 in UTC or with an offset, which Postgres and we read alike. */
function readMoment(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const isWritten =
    typeof value === "string" &&
    /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)$/.test(value);
  const moment = new Date(isWritten ? value : Number.NaN);
  if (Number.isNaN(moment.getTime()) || moment.getUTCFullYear() < 1) {
    throw new AgentError("invalid_request", `${name} is a moment such as 2026-01-31T12:00:00Z`, {
      path: `/${name}`,
    });
  }
  return moment.toISOString();
}
