import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { AgentError } from "../errors/agent-error.ts";
import { LINGER_MS } from "./body.ts";
import { errorBody } from "./errors.ts";

/** For what Node cannot read as HTTP, or will not wait for any longer: there is no request to reply to. */
export function answerBrokenLine(error: Error & { code?: string }, socket: Socket): void {
  // Whatever comes after the break is an error again.
  if (!socket.writable) return;
  const { _httpMessage: answer } = socket as Socket & { _httpMessage?: ServerResponse | null };
  // An earlier request of the line is still being answered: ours would be taken for its answer.
  if (answer && (answer.headersSent || answer.req.complete)) {
    socket.destroy();
    return;
  }
  const refusal = refusalOf(error.code);
  const { status } = refusal.kind;
  const body = errorBody(refusal);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "content-type: application/json; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function refusalOf(code: string | undefined): AgentError {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return new AgentError("headers_too_large", "the headers are too large: send a structured event");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new AgentError("slow_body", "the request did not arrive in time");
    default:
      return new AgentError("invalid_request", "this is no HTTP/1.1, or not all of it");
  }
}
