import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { readSinkEvent, type SinkEvent } from "./sink-events.ts";
import { witness } from "./witness.ts";

export type Received = {
  /** Milliseconds since 1970. */
  at: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** undefined when the request was no CloudEvent: `problems` says why. */
  event: SinkEvent | undefined;
  /** What the sender got: a status, nothing, or a cut connection; undefined as long as that is open. */
  answer: number | "hang" | "drop" | undefined;
};
type Answer =
  | "ok"
  | "hang"
  | "drop"
  | { status?: number; headers?: Record<string, string>; body?: string; delayMs?: number };
type Behaviour = Answer | ((received: Received, nth: number) => Answer | Promise<Answer>);

export type Sink = {
  url: string;
  port: number;
  /** Every request, in order of arrival, whatever it was answered. */
  received: readonly Received[];
  /** The events a sender may believe delivered: those answered with 2xx. */
  accepted(): SinkEvent[];
  /** What a strict receiver could object to; a test of the sender wants it empty. */
  problems: readonly string[];
  /** From now on. "ok" is 202 with an empty body, as a Knative broker answers. */
  behave(behaviour: Behaviour): void;
  /** The first request, past or coming, that is so. */
  waitFor(predicate: (received: Received) => boolean, timeoutMs?: number): Promise<Received>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** A server that records the CloudEvents posted to it. Started on the port of a closed one, it is its return. */
export async function startSink({ port = 0 }: { port?: number } = {}): Promise<Sink> {
  const received: Received[] = [];
  const problems: string[] = [];
  const waiting = new Set<() => void>();
  const closing = new AbortController();
  let behaviour: Behaviour = "ok";

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    // The one header that is meant to carry a secret.
    const { authorization: _, ...headers } = request.headers;
    witness.see("events", JSON.stringify(headers) + body.toString());
    const reading = readSinkEvent(request.rawHeaders, body);
    const one: Received = {
      at: Date.now(),
      headers: request.headers,
      body,
      event: reading.event,
      answer: undefined,
    };
    const name = `request ${received.push(one)}`;
    if (request.method !== "POST") problems.push(`${name}: it is a ${request.method}`);
    problems.push(...reading.problems.map((problem) => `${name}: ${problem}`));
    const chosen = typeof behaviour === "function" ? await behaviour(one, received.length) : behaviour;
    for (const look of waiting) look();
    await answer(one, chosen, response);
  }

  async function answer(one: Received, chosen: Answer, response: ServerResponse): Promise<void> {
    if (chosen === "hang") {
      one.answer = "hang";
    } else if (chosen === "drop") {
      one.answer = "drop";
      response.destroy();
    } else {
      const { status = 202, headers = {}, body, delayMs = 0 } = chosen === "ok" ? {} : chosen;
      if (delayMs > 0) await delay(delayMs, undefined, { signal: closing.signal });
      response.writeHead(status, headers).end(body);
      one.answer = status;
    }
  }

  const server = createServer((request, response) => {
    take(request, response).catch((error: unknown) => {
      // A sender that goes away in mid-request is a case under test, a behaviour that throws is a mistake.
      if (!request.destroyed || request.complete) problems.push(`the sink failed: ${String(error)}`);
      response.destroy();
    });
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== "ECONNRESET") problems.push(`a request that is not HTTP: ${error.message}`);
    socket.destroy();
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const actualPort = typeof address === "object" && address ? address.port : port;

  async function close(): Promise<void> {
    if (!server.listening) return;
    closing.abort();
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  }

  return {
    url: `http://127.0.0.1:${actualPort}/`,
    port: actualPort,
    received,
    problems,
    accepted: () =>
      received.flatMap(({ event, answer }) =>
        event && typeof answer === "number" && answer >= 200 && answer < 300 ? [event] : [],
      ),
    behave: (next) => {
      behaviour = next;
    },
    waitFor: (predicate, timeoutMs = 5_000) =>
      new Promise((done, fail) => {
        const look = () => {
          const found = received.find(predicate);
          if (found) settle(() => done(found));
        };
        const settle = (end: () => void) => {
          waiting.delete(look);
          clearTimeout(timeout);
          end();
        };
        const tooLate = () => {
          const seen = received.map(
            ({ event, answer }) => `${event?.type ?? "no event"} (${answer ?? "open"})`,
          );
          const what = seen.length === 0 ? "nothing" : seen.join(", ");
          settle(() => fail(new Error(`waited ${timeoutMs} ms for an event at the sink; it got ${what}`)));
        };
        const timeout = setTimeout(tooLate, timeoutMs);
        waiting.add(look);
        look();
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
