import type { OutcomeKind } from "../events/outgoing.ts";
import { type Frame, makeFrame } from "../streaming/frames.ts";

type Ended = { runId: string; attempt: number; kind: OutcomeKind; data: unknown };
type EventData = {
  result?: unknown;
  error?: { code?: unknown; message?: unknown };
  interrupts?: unknown;
  reason?: unknown;
};

/** What a run's stream ends with, or, when the run waits for people, pauses with. */
export function lastFrames({ kind, data, ...run }: Ended): Frame[] {
  const { result, error, interrupts, reason } = (data ?? {}) as EventData; // the outcome's event, made by us
  if (kind === "interrupted") return [makeFrame("on_interrupt", run, { interrupts })];
  const end = makeFrame("end", run, { status: kind, final_result: result, reason });
  if (error === undefined) return [end];
  return [makeFrame("error", run, { code: error.code, message: error.message }), end];
}
