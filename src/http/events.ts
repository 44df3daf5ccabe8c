import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { AgentError } from "../errors/agent-error.ts";
import { readCommand } from "../events/commands.ts";
import type { IncomingEvent } from "../events/incoming.ts";
import { encodeBinary, type OutgoingEvent } from "../events/outgoing.ts";
import { parseHttpEvent } from "../events/parse.ts";
import { remoteContext, within } from "../observability/spans.ts";
import { type EventOutcome, eventMetrics } from "../observability/tallies.ts";
import { asSubmission, dispatch } from "../runs/dispatch.ts";
import type { Door } from "../runs/door.ts";
import type { Answer } from "../runs/outcomes.ts";
import { readBody } from "./body.ts";
import { waitPreferred } from "./prefer.ts";

export type EventsOptions = {
  /** Waits a little while the service connects; throws when it does not get there, or is stopping. */
  door: () => Promise<Door>;
  typePrefix: string;
  maxBodyBytes: number;
  bodyTimeoutSeconds: number;
  maxInFlight: number;
};

const ALLOW = "POST, OPTIONS";
/** A ping holds its request for so long at the most; the next one goes on. */
const PING_WORK_MS = 60_000;

/** `POST /` takes CloudEvents; a success has an empty body or is a CloudEvent, as a broker demands. */
export async function eventsPlugin(app: FastifyInstance, options: EventsOptions): Promise<void> {
  let inFlight = 0;
  app.post("/", async (request, reply) => {
    if (inFlight >= options.maxInFlight) {
      throw new AgentError("too_many_requests", "too many requests are in flight", { retryAfterSeconds: 1 });
    }
    inFlight++;
    // The hop's place in a trace: what the event begins is linked to it.
    const hop = remoteContext(oneHeader(request.raw.headers["traceparent"]));
    try {
      const answered = await within(hop, () => take(request, reply, options));
      eventMetrics.ended("http", reply.statusCode === 202 ? "stored" : "answered");
      return answered;
    } catch (error) {
      eventMetrics.ended("http", outcomeOf(error));
      throw error;
    } finally {
      inFlight--;
    }
  });

  app.options("/", async (request, reply) => answerHandshake(request, reply));
}

async function take(
  request: FastifyRequest,
  reply: FastifyReply,
  options: EventsOptions,
): Promise<FastifyReply> {
  const { raw, caller } = request;
  const encoding = raw.headers["content-encoding"];
  if (encoding && encoding.toLowerCase() !== "identity") {
    throw new AgentError("unsupported_media_type", "send the body without a content encoding");
  }
  const bytes = await readBody(raw, options.maxBodyBytes, options.bodyTimeoutSeconds);
  const parsed = parseHttpEvent(raw.rawHeaders, bytes);
  const header = oneHeader(raw.headers["traceparent"]);
  if (parsed.mode === "batch") return await takeBatch(request, parsed.events, header, reply, options);

  const command = readCommand(parsed.event, options.typePrefix);
  if (command.kind === "own-result") return reply.code(204).send();
  const waitFor = waitPreferred(oneHeader(raw.headers["prefer"]));
  const signal = gone(reply); // before the door is waited for: who goes meanwhile says so once
  const door = await options.door();
  if (command.kind === "ping") {
    await door.workWhileDue(PING_WORK_MS, signal);
    return reply.code(200).send();
  }
  const answer = await dispatch(door, {
    ...{ event: parsed.event, command, traceparent: header, caller },
    ...{ waitFor, gone: signal },
  });
  return send(reply, answer);
}

function outcomeOf(error: unknown): EventOutcome {
  const { status } = error instanceof AgentError ? error.kind : { status: 500 };
  if (status === 409 || status === 429) return "busy";
  return status < 500 ? "refused" : "failed";
}

async function takeBatch(
  { caller }: FastifyRequest,
  events: readonly IncomingEvent[],
  traceparent: string | undefined,
  reply: FastifyReply,
  options: EventsOptions,
): Promise<FastifyReply> {
  const submissions = events.flatMap((event) => {
    const command = readCommand(event, options.typePrefix);
    if (command.kind === "own-result" || command.kind === "ping") return [];
    return [{ ...asSubmission(event, command, traceparent), caller }];
  });
  if (submissions.length === 0) return reply.code(204).send();
  await (await options.door()).submitAll(submissions);
  return reply.code(202).send();
}

function send(reply: FastifyReply, answer: Answer): FastifyReply {
  switch (answer.kind) {
    case "stored":
      return reply
        .code(202)
        .header("location", `/jobs/${encodeURIComponent(answer.jobId)}`)
        .send();
    case "delivered":
    case "settled":
      return reply.code(200).send();
    case "reply": {
      const { headers, body } = encodeBinary(JSON.parse(answer.event) as OutgoingEvent); // our own bytes
      // As bytes: to a text Fastify adds a charset, and the content type is an attribute of the event.
      return reply.code(200).headers(headers).send(Buffer.from(body));
    }
  }
}

/** Aborts when the caller has gone away before it was answered. */
function gone(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once("close", () => !reply.raw.writableFinished && controller.abort());
  return controller.signal;
}

/** The webhook handshake of the CloudEvents HTTP spec. Callback URLs are never called: they could be anyone's. */
function answerHandshake(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.code(200).header("allow", ALLOW);
  if (request.headers["webhook-request-origin"] === undefined) return reply.send();
  if (request.headers["webhook-request-callback"] !== undefined) {
    request.log.info("a webhook callback was asked for: permission is given in the answer alone");
  }
  return reply.headers({ "webhook-allowed-origin": "*", "webhook-allowed-rate": "*" }).send();
}

function oneHeader(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
