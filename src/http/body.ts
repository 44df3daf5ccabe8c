import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { AgentError } from "../errors/agent-error.ts";

/**
 * How long we go on reading from a sender that was refused midway. A line that is closed over unread
 * bytes is reset, and the answer is lost with it: the sender would take that for an outage and repeat.
 */
export const LINGER_MS = 5000;

/** Reads a whole body, within its size and its time. Ours, because Node looks at the time only now and then. */
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

/** The text as the last answer on its line. It ends when the request does; what still comes is dropped. */
export function lastAnswer(text: string, request: IncomingMessage): Readable {
  async function* answer() {
    yield text;
    await readToEnd(request);
  }
  return Readable.from(answer());
}

function readToEnd(request: IncomingMessage): Promise<void> {
  return new Promise((done) => {
    if (request.complete) return done();
    const timer = setTimeout(done, LINGER_MS);
    const finish = () => {
      clearTimeout(timer);
      done();
    };
    request.once("end", finish).once("close", finish).resume();
  });
}
