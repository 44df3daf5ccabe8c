import type { FastifyInstance } from "fastify";
import { AgentError } from "../errors/agent-error.ts";
import { isJsonObject } from "../events/json-text.ts";
import type { Retried, RetryRequest } from "../runs/retry.ts";
import type { RunDetails } from "../runs/run-details.ts";
import type { Trace } from "../runs/trace.ts";
import { readBody } from "./body.ts";
import { checkedId, parseJson } from "./jobs.ts";

export type RunsOptions = {
  readRun: (jobId: string, runId: string) => Promise<RunDetails>;
  readDefinition: (
    jobId: string,
    runId: string | undefined,
  ) => Promise<{ hash: string; definition: unknown }>;
  retryRun: (request: RetryRequest) => Promise<Retried>;
  readTrace: (jobId: string) => Promise<Trace>;
  maxBodyBytes: number;
  bodyTimeoutSeconds: number;
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** One run in all its detail, and another try of it. */
export async function runsPlugin(app: FastifyInstance, options: RunsOptions): Promise<void> {
  const { readRun, readDefinition, retryRun } = options;
  app.get<{ Params: { jobId: string; runId: string } }>("/jobs/:jobId/runs/:runId", (request) => {
    const { jobId, runId } = request.params;
    if (!UUID.test(runId)) throw new AgentError("unknown_job", "no such run of this job is stored");
    return readRun(checkedId(jobId), runId.toLowerCase());
  });
  app.get<{ Params: { jobId: string }; Querystring: { run_id?: unknown } }>(
    "/jobs/:jobId/definition",
    (request) => readDefinition(checkedId(request.params.jobId), checkedRunId(request.query.run_id)),
  );
  app.get<{ Params: { jobId: string } }>("/jobs/:jobId/trace", (request) =>
    options.readTrace(checkedId(request.params.jobId)),
  );
  app.post<{ Params: { jobId: string } }>("/jobs/:jobId/retry", async (request, reply) => {
    const jobId = checkedId(request.params.jobId);
    const bytes = await readBody(request.raw, options.maxBodyBytes, options.bodyTimeoutSeconds);
    const { runId, isNew } = await retryRun({
      jobId,
      caller: request.caller,
      ...readRetry(parseJson(bytes)),
    });
    // Asked for before: 200, and nothing happens.
    return reply.code(isNew ? 202 : 200).send({ job_id: jobId, run_id: runId });
  });
}

/** The body may be left out. */
function readRetry(body: unknown): Pick<RetryRequest, "runId" | "from"> {
  if (body === undefined || body === null) return { from: "input" };
  if (!isJsonObject(body)) {
    throw new AgentError("invalid_request", "the body is an object with run_id and from, or nothing");
  }
  const { run_id: runId, from = "input" } = body;
  if (from !== "input" && from !== "checkpoint") {
    throw new AgentError("invalid_request", 'from is "input" or "checkpoint"', { path: "/from" });
  }
  return { from, runId: checkedRunId(runId) };
}

function checkedRunId(runId: unknown): string | undefined {
  if (runId === undefined) return undefined;
  if (typeof runId === "string" && UUID.test(runId)) return runId.toLowerCase();
  throw new AgentError("invalid_request", "run_id is a UUID", { path: "/run_id" });
}
