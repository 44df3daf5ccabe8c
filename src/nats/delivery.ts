import { AgentError } from "../errors/agent-error.ts";
import { readCommand } from "../events/commands.ts";
import type { IncomingEvent } from "../events/incoming.ts";
import { remoteContext, within } from "../observability/spans.ts";
import { type EventOutcome, eventMetrics } from "../observability/tallies.ts";
import { isDatabaseUnavailable } from "../postgres/failures.ts";
import { dispatch } from "../runs/dispatch.ts";
import type { Door } from "../runs/door.ts";
import { type Letter, type ReadOptions, readLetter } from "./message.ts";
import type { Known } from "./refusals.ts";
import type { NatsSettings } from "./settings.ts";

/** What is to become of a message. */
export type Verdict =
  | { kind: "done" }
  | { kind: "later"; error: unknown; seconds: number; isOutage: boolean }
  /** Never; `known` is what its `failed` event says, and without it there is none. */
  | { kind: "dead"; error: AgentError; known: Known | undefined };

export type DeliveryOptions = ReadOptions & { door: Door; ack: NatsSettings["ack"] };

/** What stands in a message, as far as it can be read. */
export type Opened =
  | { kind: "event"; event: IncomingEvent; jobId: string; command: Parameters<typeof dispatch>[1]["command"] }
  | { kind: "nothing" }
  | { kind: "unreadable"; error: AgentError; known: Known | undefined };

export function openLetter(letter: Letter, options: ReadOptions): Opened {
  let event: IncomingEvent | undefined;
  try {
    event = readLetter(letter, options);
    const command = readCommand(event, options.typePrefix);
    // A ping wakes processes that nobody else keeps awake, and a result of our own is no work.
    if (command.kind === "ping" || command.kind === "own-result") return { kind: "nothing" };
    return { kind: "event", event, jobId: command.jobId, command };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    // A decision or a cancel that nobody can read is no end of the job either.
    const isAboutRun = ["resume", "cancel"].some((verb) => event?.type === `${options.typePrefix}.${verb}`);
    return { kind: "unreadable", error, known: isAboutRun ? undefined : knownOf(event) };
  }
}

/** What a `failed` event can say of an event whose command is not usable. */
export function knownOf(event: IncomingEvent | undefined): Known {
  if (event === undefined) return {};
  const traceparent = event.extensions.get("traceparent");
  return {
    eventId: event.id,
    ...(typeof traceparent === "string" && { traceparent }),
    ...jobIdOf(event),
  };
}

function jobIdOf({ data }: IncomingEvent): { jobId?: string } {
  if (data.kind !== "json" || typeof data.value !== "object" || data.value === null) return {};
  const { job_id: jobId } = data.value as { job_id?: unknown }; // unchecked JSON
  const isUsable = typeof jobId === "string" && /^[^\p{Cc}\p{Cs}]{1,256}$/u.test(jobId.trim());
  return isUsable ? { jobId: jobId.trim() } : {};
}

const never = new AbortController().signal;

/** Hands the event to the door of all, and says what is to become of the message. */
export async function deliver(
  opened: Extract<Opened, { kind: "event" }>,
  letter: Letter,
  options: DeliveryOptions,
  isStored: () => void,
): Promise<Verdict> {
  const { event, command } = opened;
  const waitFor = { kind: options.ack === "stored" ? "stored" : "settled" } as const;
  try {
    const traceparent = letter.headers?.get("traceparent");
    const wanted = { event, command, traceparent, toNats: true, waitFor, gone: never, isStored };
    await within(remoteContext(traceparent), () => dispatch(options.door, wanted));
    eventMetrics.ended("nats", options.ack === "stored" ? "stored" : "answered");
    return { kind: "done" };
  } catch (error) {
    eventMetrics.ended("nats", outcomeOf(error));
    return judge(error, opened, waitFor.kind);
  }
}

function outcomeOf(error: unknown): EventOutcome {
  if (!(error instanceof AgentError)) return "failed";
  if (error.kind.actor === "later") return "busy";
  return error.kind.status < 500 ? "refused" : "failed";
}

function judge(error: unknown, opened: Extract<Opened, { kind: "event" }>, waited: string): Verdict {
  if (!(error instanceof AgentError)) {
    return { kind: "later", error, seconds: 1, isOutage: isDatabaseUnavailable(error) };
  }
  // It is stored, and that is all that was waited for.
  if (error.code === "duplicate_in_progress" && waited === "stored") return { kind: "done" };
  if (error.kind.actor !== "sender") {
    return { kind: "later", error, seconds: error.retryAfterSeconds ?? 1, isOutage: false };
  }
  // A decision or a cancel that comes to nothing is no end of the job: its `failed` would be a lie.
  const { event, jobId, command } = opened;
  return {
    kind: "dead",
    error,
    known: command.kind === "execute" ? { ...knownOf(event), jobId } : undefined,
  };
}
