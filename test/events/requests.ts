import { AgentError } from "../../src/errors/agent-error.ts";
import type { IncomingEvent } from "../../src/events/incoming.ts";
import { parseHttpEvent } from "../../src/events/parse.ts";

/** A request as a test describes it: header lines in order, and a body that is text or bytes. */
export type Request = { headers: readonly (readonly [string, string])[]; body?: string | Uint8Array };

export const BINARY_HEADERS = [
  ["ce-specversion", "1.0"],
  ["ce-id", "1234-1234-1234"],
  ["ce-source", "/mycontext/subcontext"],
  ["ce-type", "com.example.someevent"],
] as const;

export const ENVELOPE = {
  specversion: "1.0",
  id: "1234-1234-1234",
  source: "/mycontext/subcontext",
  type: "com.example.someevent",
} as const;

/** A binary request; `changes` replaces a header of the same name, adds a new one, or (undefined) takes one away. */
export function binary(
  changes: Record<string, string | undefined> = {},
  body?: string | Uint8Array,
): Request {
  const all: Record<string, string | undefined> = {
    ...Object.fromEntries(BINARY_HEADERS),
    "content-type": "application/json",
    ...changes,
  };
  const headers = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return body === undefined ? { headers } : { headers, body };
}

/** A structured request; the value stands for the whole body, text is sent as it is. */
export function structured(value: unknown, contentType = "application/cloudevents+json"): Request {
  return {
    headers: [["Content-Type", contentType]],
    body: typeof value === "string" || value instanceof Uint8Array ? value : JSON.stringify(value),
  };
}

export function batch(value: unknown): Request {
  return structured(value, "application/cloudevents-batch+json");
}

export function parse({ headers, body = "" }: Request, limits?: { maxDepth?: number; maxBatch?: number }) {
  const bytes = typeof body === "string" ? Buffer.from(body, "utf8") : body;
  return parseHttpEvent(headers.flat(), bytes, limits);
}

export function parseOne(request: Request): IncomingEvent {
  const parsed = parse(request);
  if (parsed.mode === "batch") throw new Error("one event was expected");
  return parsed.event;
}

/** What was thrown; the test fails if it was nothing, or anything but an AgentError. */
export function refusalOf(act: () => unknown): AgentError {
  try {
    act();
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** Attributes only, extensions among them, as plain JSON: for comparing events by what they say. */
export function attributesOf({ data: _, extensions, ...core }: IncomingEvent): Record<string, unknown> {
  return { ...core, ...Object.fromEntries(extensions) };
}
