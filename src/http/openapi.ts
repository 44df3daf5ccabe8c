import { definitionJsonSchema } from "../agents/definition.ts";
import { catalogue, type ErrorCode } from "../errors/catalogue.ts";
import {
  CancelData,
  CancelledData,
  CompletedData,
  ExecuteData,
  FailedData,
  InterruptedData,
  ResumeData,
} from "../events/schemas.ts";
import { linkPaths } from "./openapi-links.ts";
import { runPaths } from "./openapi-runs.ts";
import { securitySchemes, withSecurity } from "./openapi-security.ts";

type Json = Record<string, unknown>;

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: Json): Json => ({ "application/json": { schema } });

/** One answer for each status that these errors share, with their meanings as its description. */
function refusals(...codes: ErrorCode[]): Record<string, Json> {
  const byStatus = new Map<number, string[]>();
  for (const code of codes) {
    const { status, means } = catalogue[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), `\`${code}\`: ${means}`]);
  }
  const answers = [...byStatus].map(([status, lines]) => [
    String(status),
    { description: lines.join("\n\n"), content: json(ref("Error")) },
  ]);
  return Object.fromEntries(answers);
}

const { job_id: _, ...decisionsOnly } = ResumeData.properties;
const timestamp = { type: "string", format: "date-time" };
const nullable = (schema: Json): Json => ({ anyOf: [schema, { type: "null" }] });
const STATUSES = ["queued", "running", "waiting", "completed", "failed", "cancelled"];
const status = { type: "string", enum: STATUSES };

const run: Json = {
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

const readiness: Json = {
  type: "object",
  properties: {
    status: { type: "string", enum: ["ready", "not_ready"] },
    services: { type: "object", additionalProperties: { type: "boolean" } },
    embedded: { type: "array", items: { type: "string" }, description: "What no server is used for." },
    timestamp,
  },
};

const postEvent: Json = {
  summary: "Take a CloudEvent: binary, structured or batched",
  description:
    "Waits for the outcome, unless the request prefers otherwise. Binary mode carries the attributes as " +
    "ce- headers and the data as body. A batch is stored whole or not at all, and is never waited for.",
  parameters: [
    {
      name: "prefer",
      in: "header",
      schema: { type: "string" },
      description: "`respond-async` answers once stored; `wait=N` waits N seconds at the most.",
    },
  ],
  requestBody: {
    required: true,
    content: {
      ...json({ anyOf: [ref("ExecuteData"), ref("ResumeData"), ref("CancelData")] }),
      "application/cloudevents+json": { schema: ref("CloudEvent") },
      "application/cloudevents-batch+json": { schema: { type: "array", items: ref("CloudEvent") } },
    },
  },
  responses: {
    200: {
      description: "The result event in binary mode; an empty body where a sink takes the results.",
      content: json({
        anyOf: [ref("CompletedData"), ref("FailedData"), ref("InterruptedData"), ref("CancelledData")],
      }),
    },
    202: {
      description: "Stored; it will be run.",
      headers: { location: { schema: { type: "string" }, description: "Where to ask for the job." } },
    },
    204: { description: "Nothing to do: one of our own results, or an empty batch." },
    ...refusals(
      "invalid_event",
      "slow_body",
      "duplicate_in_progress",
      "body_too_large",
      "unsupported_media_type",
      "unsupported_event_type",
      "unknown_run",
      "not_supported",
      "too_many_requests",
      "headers_too_large",
      "shutting_down",
      "not_ready",
      "database_unavailable",
      "sink_unavailable",
      "internal",
    ),
  },
};

const query = (name: string, schema: Json): Json => ({ name, in: "query", schema });

const jobIdParameter = { name: "job_id", in: "path", required: true, schema: { type: "string" } };

const paths: Json = {
  "/": {
    post: postEvent,
    options: { summary: "Webhook handshake", responses: { 200: { description: "What is allowed." } } },
  },
  "/health": { get: { summary: "The process runs", responses: { 200: { description: "It does." } } } },
  "/ready": {
    get: {
      summary: "Whether events can be taken, and what is missing",
      responses: {
        200: { description: "Ready.", content: json(readiness) },
        503: { description: "Not ready.", content: json(readiness) },
      },
    },
  },
  "/metrics": {
    get: { summary: "Prometheus metrics", responses: { 200: { description: "Text format 0.0.4." } } },
  },
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
  ...runPaths({ jobId: jobIdParameter, refusals, run }),
  ...linkPaths({ jobId: jobIdParameter, refusals }),
  "/jobs/{job_id}": {
    get: {
      summary: "One job with its runs and its result",
      parameters: [{ name: "job_id", in: "path", required: true, schema: { type: "string" } }],
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
      parameters: [
        { name: "job_id", in: "path", required: true, schema: { type: "string" } },
        { name: "last-event-id", in: "header", schema: { type: "string" } },
      ],
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
      parameters: [{ name: "job_id", in: "path", required: true, schema: { type: "string" } }],
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
      parameters: [{ name: "job_id", in: "path", required: true, schema: { type: "string" } }],
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
  "/schemas/agent-definition.json": {
    get: { summary: "JSON Schema of an agent definition", responses: { 200: { description: "2020-12." } } },
  },
  "/openapi.json": {
    get: { summary: "This document", responses: { 200: { description: "OpenAPI 3.1." } } },
  },
};

const cloudEvent: Json = {
  type: "object",
  description: "CloudEvents 1.0 in structured mode.",
  required: ["specversion", "id", "source", "type", "data"],
  properties: {
    specversion: { type: "string", const: "1.0" },
    id: { type: "string", description: "With `source` it names the event: a copy never runs twice." },
    source: { type: "string" },
    type: { type: "string" },
    data: { type: "object" },
  },
};

const error: Json = {
  type: "object",
  properties: {
    error: {
      type: "object",
      required: ["code", "message"],
      properties: {
        code: { type: "string", enum: Object.keys(catalogue) },
        message: { type: "string" },
        path: { type: "string" },
      },
    },
  },
};

export function openApiDocument(): Json {
  const { $schema: _, ...definition } = definitionJsonSchema();
  const schemas = {
    AgentDefinition: definition,
    CloudEvent: cloudEvent,
    Error: error,
    ExecuteData,
    ResumeData,
    CancelData,
    CompletedData,
    FailedData,
    InterruptedData,
    CancelledData,
  };
  return {
    openapi: "3.1.0",
    info: { title: "Agent Executor", version: "0.1.0", license: { name: "MIT" } },
    paths: withSecurity(paths, refusals("unauthenticated", "forbidden", "issuer_unavailable")),
    components: { schemas, securitySchemes },
  };
}
