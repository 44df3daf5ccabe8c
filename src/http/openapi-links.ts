import { type Json, jobIdParameter, json, nullable, refusals, timestamp } from "./openapi-parts.ts";

const question: Json = {
  type: "object",
  description: "As the interrupted event showed it, and what was decided.",
  properties: {
    interrupt_id: { type: "string", format: "uuid" },
    job_id: { type: "string" },
    kind: { type: "string" },
    message: { type: "string" },
    allowed: { type: "array", items: { type: "string" } },
    args_digest: { type: "string" },
    tool: { type: "string" },
    args: { type: "object" },
    approvers: { type: "array", items: { type: "string" } },
    expires_at: timestamp,
    decision: { type: "string" },
    decided_by: nullable({ type: "string" }),
  },
};

/** The routes of one question, and the page. */
export function linkPaths(): Json {
  const interruptId = {
    ...{ name: "interrupt_id", in: "path", required: true },
    schema: { type: "string", format: "uuid" },
  };
  const parameters = [jobIdParameter, interruptId];
  const common = ["unknown_interrupt", "too_many_requests", "not_ready", "database_unavailable"] as const;
  return {
    "/jobs/{job_id}/interrupts/{interrupt_id}": {
      get: {
        summary: "One question of a job",
        parameters,
        responses: { 200: { description: "The question.", content: json(question) }, ...refusals(...common) },
      },
    },
    "/jobs/{job_id}/interrupts/{interrupt_id}/links": {
      post: {
        summary: "A signed link to the page where the question can be decided",
        parameters,
        requestBody: {
          content: json({
            type: "object",
            required: ["for"],
            properties: {
              for: { type: "string", description: "In whose name the link decides." },
              expires_in_seconds: { type: "integer", minimum: 60, maximum: 604_800, default: 86_400 },
            },
          }),
        },
        responses: {
          201: {
            description: "The link.",
            content: json({ type: "object", properties: { url: { type: "string" }, expires_at: timestamp } }),
          },
          ...refusals("invalid_request", "interrupt_closed", "forbidden", "not_supported", ...common),
        },
      },
    },
    "/console": {
      get: {
        summary: "The page for people",
        parameters: [
          { name: "link", in: "query", schema: { type: "string" }, description: "A signed link." },
        ],
        responses: { 200: { description: "HTML." }, ...refusals("not_found") },
      },
    },
  };
}
