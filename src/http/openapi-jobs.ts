import { ResumeData } from "../events/schemas.ts";
import { type Json, jobIdParameter, json, nullable, refusals, timestamp } from "./openapi-parts.ts";

const { job_id: _, ...decisionsOnly } = ResumeData.properties;
const STATUSES = ["queued", "running", "waiting", "completed", "failed", "cancelled"];
const status = { type: "string", enum: STATUSES };

export const run: Json = {
  type: "object",
  properties: {
    run_id: { type: "string", format: "uuid" },
    seq: { type: "integer", description: "Place in the job's order of arrival." },
    status,
    attempt: { type: "integer", description: "How often a worker has taken it up." },
    source: { type: "string" },
    event_id: { type: "string" },
    accepted_at: timestamp,
    started_at: nullable(timestamp),
    settled_at: nullable(timestamp),
  },
};

const job: Json = {
  type: "object",
  description: "Status, result and error are those of the newest run that is not queued.",
  properties: {
    job_id: { type: "string" },
    status,
    result: nullable({ type: "object" }),
    error: nullable({ type: "object" }),
    interrupts: { type: "array", items: { type: "object" } },
    usage: nullable({ type: "object" }),
    definition: nullable({
      type: "object",
      properties: { hash: { type: "string" }, name: { type: "string" } },
    }),
    runs: { type: "array", items: run },
  },
};

const jobStatus: Json = { type: "object", properties: { job_id: { type: "string" }, status } };

const jobPage: Json = {
  type: "object",
  properties: {
    jobs: {
      type: "array",
      items: {
        type: "object",
        properties: {
          job_id: { type: "string" },
          status,
          agent: { type: "string", description: "Name in the definition." },
          accepted_at: timestamp,
          settled_at: nullable(timestamp),
        },
      },
    },
    next: nullable({ type: "string", description: "Send it as `after` for the next page." }),
  },
};

const query = (name: string, schema: Json): Json => ({ name, in: "query", schema });

/** The routes of jobs. */
export const jobPaths: Json = {
  "/jobs": {
    get: {
      summary: "Jobs, newest first",
      parameters: [
        query("status", status),
        query("since", timestamp),
        query("until", timestamp),
        query("after", { type: "string" }),
        query("limit", { type: "integer", minimum: 1, maximum: 200, default: 50 }),
      ],
      responses: {
        200: { description: "A page.", content: json(jobPage) },
        ...refusals("invalid_request", "too_many_requests", "not_ready", "database_unavailable"),
      },
    },
  },
  "/jobs/{job_id}": {
    get: {
      summary: "One job with its runs and its result",
      parameters: [jobIdParameter],
      responses: {
        200: { description: "The job.", content: json(job) },
        ...refusals("invalid_request", "unknown_job", "not_ready", "database_unavailable"),
      },
    },
  },
  "/jobs/{job_id}/events": {
    get: {
      summary: "The frames of a job as they come: server-sent events",
      description:
        "`event` is the type of the frame, `id` its place in the stream, `data` the whole frame. With " +
        "`Last-Event-ID` it goes on behind that place, on any process; where that is not kept any more the " +
        "first frame is a `gap` with the job as it is now. Ends after the last run of the job.",
      parameters: [jobIdParameter, { name: "last-event-id", in: "header", schema: { type: "string" } }],
      responses: {
        200: { description: "Frames.", content: { "text/event-stream": { schema: { type: "string" } } } },
        204: { description: "The job has ended and nothing follows `Last-Event-ID`." },
        ...refusals("unknown_job", "too_many_requests", "not_ready", "database_unavailable"),
      },
    },
  },
  "/jobs/{job_id}/cancel": {
    post: {
      summary: "End the runs of a job, or one of them",
      parameters: [jobIdParameter],
      requestBody: {
        content: json({
          type: "object",
          properties: { run_id: { type: "string", format: "uuid" }, reason: { type: "string" } },
        }),
      },
      responses: {
        200: { description: "There was nothing to end.", content: json(jobStatus) },
        202: { description: "Runs are ending, or have ended.", content: json(jobStatus) },
        ...refusals("invalid_request", "unknown_job", "body_too_large", "not_ready", "database_unavailable"),
      },
    },
  },
  "/jobs/{job_id}/resume": {
    post: {
      summary: "Decide what a waiting run asks",
      parameters: [jobIdParameter],
      requestBody: {
        content: json({
          type: "object",
          description: "As the resume event's data; job_id is the path's.",
          properties: decisionsOnly,
        }),
      },
      responses: {
        202: { description: "The decisions are stored.", content: json(jobStatus) },
        ...refusals(
          ...(["invalid_event", "unknown_job", "unknown_interrupt", "interrupt_closed"] as const),
          ...(["decision_not_allowed", "lost_race", "run_in_progress", "forbidden"] as const),
          ...(["body_too_large", "not_ready", "database_unavailable"] as const),
        ),
      },
    },
  },
};
