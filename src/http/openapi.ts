import { definitionJsonSchema } from "../agents/definition.ts";
import { catalogue } from "../errors/catalogue.ts";
import {
  CancelData,
  CancelledData,
  CompletedData,
  ExecuteData,
  FailedData,
  InterruptedData,
  ResumeData,
} from "../events/schemas.ts";
import { jobPaths } from "./openapi-jobs.ts";
import { linkPaths } from "./openapi-links.ts";
import { type Json, json, ref, refusals, timestamp } from "./openapi-parts.ts";
import { runPaths } from "./openapi-runs.ts";
import { securitySchemes, withSecurity } from "./openapi-security.ts";

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
  ...jobPaths,
  ...runPaths(),
  ...linkPaths(),
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
