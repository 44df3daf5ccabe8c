import { setTimeout as delay } from "node:timers/promises";
import { cutToBytes } from "../errors/agent-error.ts";
import type { ToolDefinition } from "./tool-definition.ts";

/** What the model is told of a call. Failures are outcomes too: it may try something else. */
export type ToolOutcome = { content: string; status: "success" | "error" };

/** One execution of a call whose arguments are settled. An abort that it throws took no effect. */
export type ToolWork = (call: {
  idempotencyKey: string | undefined;
  signal: AbortSignal | undefined;
}) => Promise<ToolOutcome>;

export const MAX_RESULT_BYTES = 256 * 1024;
export const MAX_ERROR_BYTES = 4096;
const LONGEST_WAIT_SECONDS = 30;

export function failed(content: string): ToolOutcome {
  return { content: cutToBytes(content, MAX_ERROR_BYTES), status: "error" };
}

/** A text as it stands, anything else as JSON; what is too long is cut, and says so. */
export function succeeded(value: unknown): ToolOutcome {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "null");
  if (Buffer.byteLength(text) <= MAX_RESULT_BYTES) return { content: text, status: "success" };
  const note = `\n[cut off: the answer is longer than ${MAX_RESULT_BYTES} bytes]`;
  return { content: cutToBytes(text, MAX_RESULT_BYTES) + note, status: "success" };
}

/** `passing`: the same call may go well the next time. */
export type Tried = { outcome: ToolOutcome; passing: boolean };

/** Tries a call that only reads as often as its tool says; one that writes is made once. */
export async function withRetries(
  { effect, retry }: ToolDefinition,
  signal: AbortSignal | undefined,
  once: () => Promise<Tried>,
): Promise<ToolOutcome> {
  for (let attempt = 1; ; attempt++) {
    const { outcome, passing } = await once();
    if (!passing || effect === "write" || attempt >= retry.attempts) return outcome;
    const seconds = Math.min(retry.waitSeconds * 2 ** (attempt - 1), LONGEST_WAIT_SECONDS);
    await delay(seconds * 1000, undefined, signal ? { signal } : {});
  }
}

/** What is said of a call that writes and did not answer. */
export function mayHaveHappened({ effect }: ToolDefinition): string {
  return effect === "write" ? "; it may have taken effect" : "";
}
