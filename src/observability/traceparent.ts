import { createHash, randomBytes } from "node:crypto";
import { context, trace } from "@opentelemetry/api";

/** W3C trace context of the work that caused ours. */
export type Traceparent = { traceId: string; spanId: string; flags: number };

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 1;
/** The flags that version 00 knows: sampled, and that the trace id is random. */
const KNOWN_FLAGS = 3;

/** Reads a traceparent strictly by W3C; undefined if it is none, so that a bad one is ignored and not passed on. */
export function parseTraceparent(text: string | undefined): Traceparent | undefined {
  const match = TRACEPARENT.exec(text ?? "");
  if (match === null) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", more] = match;
  if (version === "ff" || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  // Later versions may append fields; version 00 has none.
  if (version === "00" && more !== undefined) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

/** The first traceparent of a trace, from a trace id in any form; the same id always gives the same trace. */
export function newTraceparent(traceIdText?: string): string {
  return format(traceIdFrom(traceIdText?.trim() ?? ""), SAMPLED);
}

/** The span of ours that is active, if it belongs to the same trace; else a new one. */
export function childOf(parent: Traceparent): string {
  const active = trace.getSpanContext(context.active());
  if (active?.traceId === parent.traceId && active.isRemote !== true) {
    return format(active.traceId, active.traceFlags & KNOWN_FLAGS, active.spanId);
  }
  return format(parent.traceId, parent.flags & KNOWN_FLAGS);
}

/** For log lines. */
export function traceIdOf(traceparent: string | null | undefined): string | undefined {
  return parseTraceparent(traceparent ?? undefined)?.traceId;
}

function traceIdFrom(text: string): string {
  if (text === "") return randomBytes(16).toString("hex");
  const hex = text.replaceAll("-", "").toLowerCase();
  if (/^[0-9a-f]{32}$/.test(hex) && !/^0+$/.test(hex)) return hex;
  // Padding or cutting a free text would give ids that are not hex, or that many texts share.
  return createHash("sha256").update(text, "utf8").digest("hex").slice(0, 32);
}

function format(traceId: string, flags: number, spanId = randomBytes(8).toString("hex")): string {
  return `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, "0")}`;
}
