import type { CloudEventV1 } from "cloudevents";
import { CORE_ATTRIBUTES } from "./attributes.ts";
import { isAttributeName, isAttributeText } from "./formats.ts";
import { encodeHeaderValue } from "./headers.ts";
import { uuidV5 } from "./ids.ts";
import { isJsonObject } from "./json-text.ts";
import { jsonText, plainJson } from "./plain-json.ts";

/** How a run ends, or that it waits for a person. */
export type OutcomeKind = "completed" | "failed" | "interrupted" | "cancelled";

/** An event of ours in the shape of structured mode: plain JSON, fit to be stored and sent later. */
export type OutgoingEvent = CloudEventV1<unknown> & {
  specversion: "1.0";
  subject: string;
  time: string;
  datacontenttype: "application/json";
  causationid: string;
};

/** What an outcome's event is made of; time and ids are given, so that the same input gives the same bytes. */
export type OutcomeOptions = {
  /** EVENT_TYPE_PREFIX. */
  prefix: string;
  source: string;
  runId: string;
  jobId: string;
  data: Readonly<Record<string, unknown>>;
  time: Date;
  traceparent?: string;
  /** Id of the event that started the run. */
  causationId: string;
  /** Extensions of K_CE_OVERRIDES; they win over ours. */
  overrides?: ReadonlyMap<string, string>;
} & (
  | { kind: Exclude<OutcomeKind, "interrupted">; waitNo?: number }
  /** A run may wait more than once: without the number all its waits would share one event id. */
  | { kind: "interrupted"; waitNo: number }
);

// Ids of all events that were ever sent hang on it: never change.
const NAMESPACE = "8b6c1f0e-5d0c-4d0b-9a53-2f6f3a1f7c11";

/** The event for one outcome of a run, complete: what is built here is what every delivery sends. */
export function outcomeEvent(outcome: OutcomeOptions): OutgoingEvent {
  const { kind, runId, waitNo } = outcome;
  return {
    specversion: "1.0",
    id: outcomeEventId(runId, kind, waitNo),
    source: outcome.source,
    type: `${outcome.prefix}.${kind}`,
    subject: outcome.jobId,
    time: outcome.time.toISOString(),
    datacontenttype: "application/json",
    ...(outcome.traceparent !== undefined && { traceparent: outcome.traceparent }),
    causationid: outcome.causationId,
    ...Object.fromEntries(outcome.overrides ?? []),
    data: plainJson(outcome.data),
  };
}

/** The id of a run's event; a run has one of each kind, but may be interrupted at every wait. */
export function outcomeEventId(runId: string, kind: OutcomeKind, waitNo = 0): string {
  return uuidV5(NAMESPACE, kind === "interrupted" ? `${runId}:${kind}:${waitNo}` : `${runId}:${kind}`);
}

/** The event as one JSON text; parsing it and encoding again, in either mode, gives the same bytes. */
export function encodeStructured(event: OutgoingEvent): string {
  return jsonText(event);
}

export type SentAttributes = {
  id: string;
  source: string;
  type: string;
  subject: string;
  traceparent?: string;
};

/** What the bytes of an event of ours say beside its data, which may be large: it stands last and is not read. */
export function attributesIn(bytes: string): SentAttributes {
  // Within a text a quote is escaped: the first of these is the key.
  const end = bytes.indexOf(',"data":');
  return JSON.parse(end < 0 ? bytes : `${bytes.slice(0, end)}}`);
}

/** The event as headers and body. Never throws, and nothing in a value can end a header line. */
export function encodeBinary(event: OutgoingEvent): { headers: Record<string, string>; body: string } {
  const { data, datacontenttype, ...attributes } = event;
  const headers: Record<string, string> = { "content-type": datacontenttype };
  for (const [name, value] of Object.entries(attributes)) {
    const isScalar = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
    if (isScalar && isAttributeName(name)) headers[`ce-${name}`] = encodeHeaderValue(String(value));
  }
  return { headers, body: jsonText(data ?? null) };
}

/**
 * Reads K_CE_OVERRIDES, `{"extensions":{"name":"value"}}`. Throws at what would make every event of this
 * service wrong, so that the start fails and not the first delivery. A SinkBinding without any sets "".
 */
export function readOverrides(text: string | undefined): ReadonlyMap<string, string> {
  if (text === undefined || text.trim() === "") return new Map();
  const value = parseOverrides(text);
  if (!isJsonObject(value)) {
    throw new Error('K_CE_OVERRIDES must be a JSON object like {"extensions":{"name":"value"}}');
  }
  const extensions = value["extensions"] ?? {};
  if (!isJsonObject(extensions)) throw new Error("K_CE_OVERRIDES: extensions must be an object of strings");
  const overrides = new Map<string, string>();
  // Sorted, so that the order of a setting does not change the bytes of events.
  for (const [name, override] of Object.entries(extensions).sort(([a], [b]) => (a < b ? -1 : 1))) {
    overrides.set(name, readOverride(name, override));
  }
  return overrides;
}

function parseOverrides(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error('K_CE_OVERRIDES is not JSON; it looks like {"extensions":{"name":"value"}}', { cause });
  }
}

function readOverride(name: string, value: unknown): string {
  const where = `K_CE_OVERRIDES: the extension ${JSON.stringify(name)}`;
  if (CORE_ATTRIBUTES.has(name) || name === "data" || name === "data_base64") {
    throw new Error(`${where} is part of CloudEvents itself and cannot be overridden`);
  }
  if (!isAttributeName(name)) throw new Error(`${where} may only hold a-z and 0-9 in its name`);
  if (typeof value !== "string") throw new Error(`${where} must be a string`);
  if (!isAttributeText(value)) throw new Error(`${where} holds a control character or is no Unicode text`);
  return value;
}
