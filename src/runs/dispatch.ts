import { AgentError } from "../errors/agent-error.ts";
import type { Command } from "../events/commands.ts";
import type { IncomingEvent } from "../events/incoming.ts";
import { newTraceparent, parseTraceparent } from "../observability/traceparent.ts";
import type { ExecuteSubmission } from "./accept.ts";
import type { Door } from "./door.ts";
import type { Answer, WaitFor } from "./outcomes.ts";
import type { Caller } from "./owner.ts";

/** What a command is made of whatever door it came through, and what the caller wants of it. */
export type Dispatch = {
  event: IncomingEvent;
  command: Exclude<Command, { kind: "ping" | "own-result" }>;
  /** The trace context of the hop: the event's own goes before it. */
  traceparent: string | undefined;
  caller?: Caller | undefined;
  toNats?: boolean;
  waitFor: WaitFor;
  gone: AbortSignal;
  isStored?: () => void;
};

/** One entry for both doors: what an event does must not hang on the way it came. */
export async function dispatch(door: Door, wanted: Dispatch): Promise<Answer> {
  const { event, command, caller, toNats, waitFor, gone, isStored } = wanted;
  const { id: eventId, source } = event;
  switch (command.kind) {
    case "execute": {
      const submission = { ...asSubmission(event, command, wanted.traceparent), caller, toNats };
      return await door.submit(submission, waitFor, gone, isStored);
    }
    case "cancel": {
      const { jobId, runId, reason } = command;
      const cancel = { jobId, runId, reason, caller, event: { source, eventId } };
      return await door.cancel(cancel, waitFor, gone).catch(asUnprocessable);
    }
    case "resume": {
      const decided = { jobId: command.jobId, resume: command.resume, caller, event: { source, eventId } };
      return await door.resume(decided, waitFor, gone).catch(asUnprocessable);
    }
  }
}

export function asSubmission(
  event: IncomingEvent,
  command: Command,
  traceparent: string | undefined,
): ExecuteSubmission {
  if (command.kind !== "execute") {
    throw new AgentError("not_supported", `this version does not take ${command.kind} events`);
  }
  return {
    source: event.source,
    eventId: event.id,
    jobId: command.jobId,
    request: command.request,
    traceparent: traceOf(event, command.request.trace_id, traceparent),
  };
}

/** 404 is for the jobs API: a broker would send the event again. */
function asUnprocessable(error: unknown): never {
  if (error instanceof AgentError && error.code === "unknown_job") {
    throw new AgentError("unknown_run", error.message, { cause: error, path: "/data/job_id" });
  }
  throw error;
}

/** The event's own context goes before the hop's: it says where the work began. */
function traceOf(event: IncomingEvent, traceId: string | undefined, header: string | undefined): string {
  const extension = event.extensions.get("traceparent");
  for (const candidate of [extension, header]) {
    if (typeof candidate === "string" && parseTraceparent(candidate) !== undefined) return candidate;
  }
  return newTraceparent(traceId);
}
