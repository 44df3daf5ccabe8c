import { run } from "./openapi-jobs.ts";
import { type Json, jobIdParameter, json, nullable, refusals, timestamp } from "./openapi-parts.ts";

const step: Json = {
  type: "object",
  properties: {
    within: {
      type: "array",
      items: { type: "string" },
      description: "Nodes that lead to a graph inside the graph.",
    },
    step: { type: "integer" },
    nodes: { type: "array", items: { type: "string" }, description: "What ran, side by side." },
    attempt: { type: "integer" },
    started_at: nullable(timestamp),
    ended_at: timestamp,
    tokens: { type: "integer" },
    model_calls: { type: "integer" },
    tool_calls: { type: "integer" },
  },
};

const event: Json = {
  type: "object",
  properties: {
    event_id: { type: "string", format: "uuid" },
    target: { type: "string" },
    event: { type: "object", description: "As it went out." },
    attempts: { type: "integer" },
    delivered_at: nullable(timestamp),
    parked_at: nullable(timestamp),
    last_error: nullable({ type: "string" }),
  },
};

/** The routes of one run. */
export function runPaths(): Json {
  const runId = { name: "run_id", in: "path", required: true, schema: { type: "string", format: "uuid" } };
  const details = {
    allOf: [
      run,
      {
        type: "object",
        properties: {
          retry_of: nullable({ type: "string", format: "uuid" }),
          definition_hash: nullable({ type: "string" }),
          request: { type: "object", description: "What the event asked." },
          usage: nullable({ type: "object" }),
          events: { type: "array", items: event },
          steps: { type: "array", items: step },
        },
      },
    ],
  };
  const common = ["unknown_job", "too_many_requests", "not_ready", "database_unavailable"] as const;
  return {
    "/jobs/{job_id}/runs/{run_id}": {
      get: {
        summary: "One run: what came in, what it did step by step, what went out",
        parameters: [jobIdParameter, runId],
        responses: { 200: { description: "The run.", content: json(details) }, ...refusals(...common) },
      },
    },
    "/jobs/{job_id}/definition": {
      get: {
        summary: "The definition of a job's newest run, or of another, as it was sent",
        parameters: [
          jobIdParameter,
          { name: "run_id", in: "query", schema: { type: "string", format: "uuid" } },
        ],
        responses: {
          200: {
            description: "The definition and its hash.",
            content: json({ type: "object", properties: { hash: { type: "string" }, definition: {} } }),
          },
          ...refusals("invalid_request", ...common),
        },
      },
    },
    "/jobs/{job_id}/trace": {
      get: {
        summary:
          "All that is known of a job as a tree: events, attempts, steps, tools, decisions, deliveries",
        parameters: [jobIdParameter],
        responses: { 200: { description: "The tree.", content: json(trace) }, ...refusals(...common) },
      },
    },
    "/jobs/{job_id}/retry": {
      post: {
        summary: "Run a failed or cancelled run again, from its input or from its last checkpoint",
        parameters: [jobIdParameter],
        requestBody: {
          content: json({
            type: "object",
            properties: {
              run_id: { type: "string", format: "uuid", description: "Default: the newest run." },
              from: { type: "string", enum: ["input", "checkpoint"], default: "input" },
            },
          }),
        },
        responses: {
          200: { description: "It was retried before; this is that run.", content: json(retried) },
          202: { description: "The new run is queued.", content: json(retried) },
          ...refusals("invalid_request", "run_in_progress", "not_retryable", "body_too_large", ...common),
        },
      },
    },
  };
}

const list = (properties: Json): Json => ({ type: "array", items: { type: "object", properties } });
const trace: Json = {
  type: "object",
  properties: {
    job_id: { type: "string" },
    owner: nullable({ type: "string" }),
    runs: list({
      run_id: { type: "string", format: "uuid" },
      seq: { type: "integer" },
      status: { type: "string" },
      usage: nullable({ type: "object" }),
      events: list({
        kind: { type: "string" },
        source: { type: "string" },
        event_id: { type: "string" },
        at: timestamp,
      }),
      attempts: list({
        attempt: { type: "integer" },
        worker: nullable({ type: "string" }),
        began_at: nullable(timestamp),
        ended_at: nullable(timestamp),
        end: nullable({ type: "string", description: "settled, waiting, postponed or taken over." }),
        steps: { type: "array", items: step },
        tools: list({
          tool: nullable({ type: "string" }),
          state: { type: "string", enum: ["intent", "done"] },
        }),
      }),
      decisions: list({ interrupt_id: { type: "string" }, decision: nullable({ type: "string" }) }),
      deliveries: list({ event_id: { type: "string" }, target: { type: "string" } }),
      log: list({
        at: timestamp,
        type: { type: "string" },
        who: { type: "string" },
        details: { type: "object" },
      }),
    }),
  },
};

const retried: Json = {
  type: "object",
  properties: { job_id: { type: "string" }, run_id: { type: "string", format: "uuid" } },
};
