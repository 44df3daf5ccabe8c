import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { AgentError, cutToBytes } from "../errors/agent-error.ts";
import type { ErrorCode } from "../errors/catalogue.ts";
import { isDatabaseUnavailable } from "../postgres/failures.ts";

/** What Fastify itself throws before a handler of ours runs. */
const FASTIFY_CODES: Readonly<Record<string, [ErrorCode, string]>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ["unsupported_media_type", "the content type cannot be read"],
  FST_ERR_CTP_INVALID_CONTENT_TYPE: ["unsupported_media_type", "the content type cannot be read"],
  FST_ERR_CTP_BODY_TOO_LARGE: ["body_too_large", "the body is too large"],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ["invalid_event", "the body is not as long as Content-Length says"],
  FST_ERR_BAD_URL: ["invalid_request", "the URL cannot be read"],
};

/** Knative keeps 1,024 characters of an error body, in base64: ours stays below that. */
const MAX_MESSAGE_BYTES = 600;

export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((thrown: FastifyError, request, reply) => {
    const error = asAgentError(thrown);
    const level = error.kind.status >= 500 && error.kind.actor === "us" ? "error" : "info";
    request.log[level]({ err: error, status: error.kind.status }, "request refused");
    return sendError(reply, error);
  });
  app.setNotFoundHandler((request: FastifyRequest, reply) => {
    const path = request.url.split("?", 1)[0] ?? "";
    const allow =
      path === "/" ? "POST, OPTIONS" : app.hasRoute({ url: path, method: "GET" }) ? "GET, HEAD" : undefined;
    if (allow === undefined) return sendError(reply, new AgentError("not_found", "there is no such route"));
    // Not 404: a broker would try that again.
    const refusal = new AgentError("method_not_allowed", `this path takes ${allow}`);
    return sendError(reply.header("allow", allow), refusal);
  });
}

export function sendError(reply: FastifyReply, error: AgentError): FastifyReply {
  const { kind, code, path, retryAfterSeconds } = error;
  if (kind.status === 429 || kind.status === 503 || retryAfterSeconds !== undefined) {
    reply.header("retry-after", String(Math.max(1, Math.ceil(retryAfterSeconds ?? 5))));
  }
  // What is left of a body that was refused midway is not worth waiting for.
  if (code === "slow_body" || code === "body_too_large") reply.header("connection", "close");
  const message = cutToBytes(error.message.replaceAll(/[\r\n]+/g, " "), MAX_MESSAGE_BYTES);
  return reply.code(kind.status).send({ error: { code, message, ...(path !== undefined && { path }) } });
}

function asAgentError(thrown: FastifyError): AgentError {
  if (thrown instanceof AgentError) return thrown;
  const known = FASTIFY_CODES[thrown.code];
  if (known !== undefined) return new AgentError(known[0], known[1], { cause: thrown });
  if (isDatabaseUnavailable(thrown)) {
    return new AgentError("database_unavailable", "Postgres did not answer", { cause: thrown });
  }
  // Its text is ours to read in the log, not the caller's.
  return new AgentError("internal", "internal error", { cause: thrown });
}
