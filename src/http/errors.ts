import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { AgentError, cutToBytes } from "../errors/agent-error.ts";
import { redact } from "../observability/redaction.ts";
import { isDatabaseUnavailable } from "../postgres/failures.ts";
import { lastAnswer } from "./body.ts";

/** Knative keeps 1,024 characters of an error body, in base64: ours stays below that. */
const MAX_BODY_BYTES = 767;
const METHODS = ["GET", "HEAD", "POST", "OPTIONS"] as const;

export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((thrown: FastifyError, request, reply) => refuse(thrown, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const methods = METHODS.filter((method) => app.findRoute({ method, url: request.url }) !== null);
    if (methods.length === 0) return sendError(reply, new AgentError("not_found", "there is no such route"));
    const allow = methods.join(", ");
    // Not 404: a broker would try that again.
    const refusal = new AgentError("method_not_allowed", `this path takes ${allow}`);
    return sendError(reply.header("allow", allow), refusal);
  });
}

/** For URLs that no router can read; there Fastify's own answer would repeat them. */
export function answerUnroutable(thrown: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  refuse(thrown, request, reply);
}

function refuse(thrown: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = asAgentError(thrown);
  const level = error.kind.status >= 500 && error.kind.actor === "us" ? "error" : "info";
  request.log[level]({ err: error, status: error.kind.status }, "request refused");
  return sendError(reply, error);
}

function sendError(reply: FastifyReply, error: AgentError): FastifyReply {
  const { kind, code, retryAfterSeconds } = error;
  if (kind.status === 429 || kind.status === 503 || retryAfterSeconds !== undefined) {
    reply.header("retry-after", String(Math.max(1, Math.ceil(retryAfterSeconds ?? 5))));
  }
  const body = errorBody(error);
  reply.code(kind.status).type("application/json; charset=utf-8");
  if (code !== "slow_body" && code !== "body_too_large") return reply.send(body);
  // What is left of the body is not worth waiting for.
  reply.headers({ connection: "close", "content-length": Buffer.byteLength(body) });
  return reply.send(lastAnswer(body, reply.request.raw));
}

/** One line of JSON that is short enough for a dead-letter sink. */
export function errorBody({ code, message, path }: AgentError): string {
  const line = redact(message).replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ");
  for (let most = 600; ; most -= 100) {
    const error = { code, message: cutToBytes(line, most), ...(path !== undefined && { path }) };
    const body = JSON.stringify({ error });
    // Quotes and backslashes take two bytes each, so what is short enough as text may still be too long.
    if (Buffer.byteLength(body) <= MAX_BODY_BYTES || most === 100) return body;
  }
}

function asAgentError(thrown: FastifyError): AgentError {
  if (thrown instanceof AgentError) return thrown;
  if (thrown.code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    return new AgentError("unsupported_media_type", "the content type cannot be read", { cause: thrown });
  }
  // Refused by Fastify before a handler of ours was asked: a bad escape in the URL, for one.
  if (thrown.code?.startsWith("FST_ERR_") && (thrown.statusCode ?? 500) < 500) {
    return new AgentError("invalid_request", "the request cannot be read", { cause: thrown });
  }
  if (isDatabaseUnavailable(thrown)) {
    return new AgentError("database_unavailable", "Postgres did not answer", { cause: thrown });
  }
  // Its text is ours to read in the log, not the caller's.
  return new AgentError("internal", "internal error", { cause: thrown });
}
