import { AgentError } from "../errors/agent-error.ts";
import { notAnInteger, readAttributes } from "./attributes.ts";
import type { EventData, IncomingEvent } from "./incoming.ts";
import { findUnplainNumber } from "./json-scan.ts";
import { isJsonObject, parseJsonBytes } from "./json-text.ts";
import { isJsonType, isReadableCharset, parseMediaType } from "./media-type.ts";
import { invalidEvent, unsupportedMedia } from "./refusals.ts";

/** Structured mode: the body is one JSON object that holds attributes and data. */
export function readStructuredEvent(body: Uint8Array, maxDepth: number): IncomingEvent {
  const [value, text] = parseJsonBytes(body, maxDepth, { name: "body", envelopeLevels: 1 });
  const event = readEnvelope(value, maxDepth);
  checkNumbers([event], text, 1);
  return event;
}

/** Batch mode: a JSON array of structured events. One bad event refuses the whole, so that none is stored. */
export function readBatch(body: Uint8Array, maxDepth: number, maxBatch: number): IncomingEvent[] {
  const [values, text] = parseJsonBytes(body, maxDepth, { name: "body", envelopeLevels: 2 });
  if (!Array.isArray(values)) throw invalidEvent("The body of a batch must be a JSON array of CloudEvents.");
  if (values.length > maxBatch) {
    throw invalidEvent(`The batch holds more than ${maxBatch} events: send it in parts.`);
  }
  const events = values.map((value: unknown, index) => {
    try {
      return readEnvelope(value, maxDepth);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      throw new AgentError(error.code, `Event ${index} of the batch (from 0): ${error.message}`, {
        path: `/${index}`,
      });
    }
  });
  checkNumbers(events, text, 2);
  return events;
}

function readEnvelope(value: unknown, maxDepth: number): IncomingEvent {
  if (!isJsonObject(value)) {
    throw invalidEvent(
      "A structured CloudEvent must be a JSON object with specversion, id, source and type.",
    );
  }
  const { data, data_base64: base64, ...rest } = value;
  const attributes = readAttributes(new Map(Object.entries(rest)));
  // Not `data === undefined`: an explicit null is data, an absent key is none.
  if (Object.hasOwn(value, "data")) {
    if (base64 !== undefined && base64 !== null) {
      throw invalidEvent('The event holds both "data" and "data_base64": send one of them.');
    }
    return { ...attributes, data: readData(data, attributes.datacontenttype) };
  }
  if (base64 === undefined || base64 === null) return { ...attributes, data: { kind: "none" } };
  return { ...attributes, data: readBase64(base64, attributes.datacontenttype, maxDepth) };
}

function readData(value: unknown, contentType: string | undefined): EventData {
  const mediaType = parseMediaType(contentType ?? "application/json");
  if (mediaType === undefined || isJsonType(mediaType)) return { kind: "json", value };
  if (typeof value !== "string") {
    throw invalidEvent('The "data" must be a string, because "datacontenttype" says that it is not JSON.');
  }
  return { kind: "bytes", bytes: Buffer.from(value, "utf8") };
}

function readBase64(base64: unknown, contentType: string | undefined, maxDepth: number): EventData {
  const bytes = typeof base64 === "string" ? Buffer.from(base64, "base64") : undefined;
  // Buffer skips what is not base64; only text that comes back the same was all of it (RFC 4648).
  if (bytes === undefined || bytes.toString("base64") !== base64) {
    throw invalidEvent('The "data_base64" is not base64 (RFC 4648, with padding): correct it.');
  }
  const mediaType = contentType === undefined ? undefined : parseMediaType(contentType);
  if (mediaType === undefined || !isJsonType(mediaType)) return { kind: "bytes", bytes };
  if (!isReadableCharset(mediaType)) {
    throw unsupportedMedia('The charset of "datacontenttype" is not supported: send JSON in UTF-8.');
  }
  const [value] = parseJsonBytes(bytes, maxDepth, { name: "data_base64", envelopeLevels: 0 });
  return { kind: "json", value };
}

/** Hardly any event has a number among its attributes; only then is the text read once more. */
function checkNumbers(events: readonly IncomingEvent[], text: string, level: number): void {
  const hasNumber = events.some(({ extensions }) => [...extensions.values()].some(Number.isInteger));
  const name = hasNumber ? findUnplainNumber(text, level) : undefined;
  if (name !== undefined) throw notAnInteger(name);
}
