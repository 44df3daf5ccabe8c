import { type Link, SpanKind } from "@opentelemetry/api";
import {
  activeSpanContext,
  formatTraceparent,
  inSpan,
  remoteContext,
  type Span,
  startSpan,
  tracing,
} from "./spans.ts";

/** What a span may say of an event: never its data. */
export type EventNames = { source: string; eventId: string; type: string; jobId: string };

/** Names come from senders: a span keeps so much of one. */
const LONGEST_NAME = 256;
const short = (text: string): string => text.slice(0, LONGEST_NAME);

/** By the conventions for CloudEvents and for messaging. */
function attributesOf({ source, eventId, type, jobId }: EventNames, operation: "process" | "send") {
  return {
    "cloudevents.event_id": short(eventId),
    "cloudevents.event_source": short(source),
    "cloudevents.event_spec_version": "1.0",
    "cloudevents.event_type": type,
    "cloudevents.event_subject": short(jobId),
    "messaging.system": "cloudevents",
    "messaging.operation.type": operation,
    "messaging.message.id": short(eventId),
    "gen_ai.conversation.id": short(jobId),
  };
}

/**
 * Takes an event in. What the event began goes on as a child of this span, whoever carries it on and
 * after however many crashes; so the work gets the traceparent that is to be stored with it.
 */
export async function acceptEvent<T>(
  event: EventNames,
  traceparent: string,
  work: (traceparent: string) => Promise<T>,
): Promise<T> {
  if (!tracing.isOn) return await work(traceparent);
  const parent = remoteContext(traceparent);
  const options = { kind: SpanKind.CONSUMER, attributes: attributesOf(event, "process"), parent };
  return await inSpan(`process ${event.type}`, { ...options, links: hop(traceparent) }, (span) =>
    work(formatTraceparent(span.spanContext())),
  );
}

/** The request that brought it, where that belongs to another place of a trace. */
function hop(traceparent: string): Link[] {
  const active = activeSpanContext();
  const isSame = active === undefined || traceparent.includes(`${active.traceId}-${active.spanId}`);
  return isSame ? [] : [{ context: active }];
}

/** A person has decided, in the trace of the run that asked; linked to the request that brought it. */
export function noteDecision(
  run: { runId: string; traceparent: string | null },
  jobId: string,
  startTime: Date,
): void {
  if (!tracing.isOn || run.traceparent === null) return;
  const attributes = { "agent_executor.run_id": run.runId, "gen_ai.conversation.id": short(jobId) };
  const parent = remoteContext(run.traceparent);
  startSpan("approval", { attributes, parent, startTime, links: hop(run.traceparent) }).end();
}

/** Hands an event to a target, as a child of what made it; its bytes are final, so they name their parent. */
export async function sendEvent<T>(
  event: EventNames & { traceparent: string | undefined },
  target: string,
  attempt: number,
  work: (span: Span | undefined) => Promise<T>,
): Promise<T> {
  if (!tracing.isOn) return await work(undefined);
  const attributes = {
    ...attributesOf(event, "send"),
    "messaging.destination.name": target,
    "agent_executor.delivery_attempt": attempt,
  };
  const parent = remoteContext(event.traceparent);
  return await inSpan(`send ${target}`, { kind: SpanKind.PRODUCER, attributes, parent }, work);
}
