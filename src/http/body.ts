import type { IncomingMessage } from "node:http";
import { AgentError } from "../errors/agent-error.ts";

/**
 * Reads a whole body, within its size and its time. Ours, because Fastify's requestTimeout stops
 * counting once the headers are in, and a body that trickles holds its place for ever.
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  timeoutSeconds: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const stop = (error: AgentError) => {
      clearTimeout(timer);
      request.removeAllListeners("data");
      // The rest is read and dropped, so that the sender gets to read the answer.
      request.resume();
      reject(error);
    };
    const timer = setTimeout(() => {
      stop(new AgentError("slow_body", `the body did not arrive within ${timeoutSeconds} s`));
    }, timeoutSeconds * 1000);
    const tooLarge = () => new AgentError("body_too_large", `the body is larger than ${maxBytes} bytes`);
    if (Number(request.headers["content-length"]) > maxBytes) {
      stop(tooLarge());
      return;
    }
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) stop(tooLarge());
      else chunks.push(chunk);
    });
    request.once("end", () => {
      clearTimeout(timer);
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    });
    request.once("error", () => {
      clearTimeout(timer);
      reject(new AgentError("invalid_event", "the connection broke before the body was whole"));
    });
  });
}
