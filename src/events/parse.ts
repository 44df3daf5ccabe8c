import { readBinaryEvent } from "./binary.ts";
import { type EventHeaders, readHeaders } from "./headers.ts";
import type { ParsedHttp } from "./incoming.ts";
import { isReadableCharset, type MediaType, parseMediaType } from "./media-type.ts";
import { invalidEvent, unsupportedMedia } from "./refusals.ts";
import { readBatch, readStructuredEvent } from "./structured.ts";

/** `maxDepth` counts the nesting of the data alone, so that an event fits in every mode or in none. */
export type ParseLimits = { maxDepth?: number; maxBatch?: number };

const STRUCTURED = "application/cloudevents+json";
const BATCH = "application/cloudevents-batch+json";

/**
 * Turns a request into one CloudEvent or a batch of them, by the HTTP binding of CloudEvents 1.0. Stricter
 * than the SDK, which invents ids and times, drops data that is false or 0 and lets bad versions pass.
 * Throws nothing but AgentError. `rawHeaders` is Node's: name, value, name, value, as latin1 text.
 */
export function parseHttpEvent(
  rawHeaders: readonly string[],
  body: Uint8Array,
  { maxDepth = 128, maxBatch = 100 }: ParseLimits = {},
): ParsedHttp {
  const headers = readHeaders(rawHeaders);
  const mediaType = readContentType(headers);
  if (mediaType?.essence === BATCH) {
    return { mode: "batch", events: readBatch(body, maxDepth, maxBatch) };
  }
  // `ce-` headers beside a structured event are not read: its body says everything (HTTP binding, 3.2).
  if (mediaType?.essence === STRUCTURED) {
    return { mode: "structured", event: readStructuredEvent(body, maxDepth) };
  }
  if (mediaType?.essence.startsWith("application/cloudevents")) {
    throw unsupportedMedia(`This event format is not supported: send ${STRUCTURED} or ${BATCH}.`);
  }
  if (headers.ce.size === 0) {
    throw invalidEvent(
      "The request is not a CloudEvent: send the headers ce-specversion: 1.0, ce-id, ce-source and ce-type with " +
        `the data as JSON body, or send the whole event as JSON with Content-Type: ${STRUCTURED}.`,
    );
  }
  return { mode: "binary", event: readBinaryEvent(headers, mediaType, body, maxDepth) };
}

function readContentType({ contentType, contentEncoding }: EventHeaders): MediaType | undefined {
  if (contentEncoding !== undefined && !/^(identity)?$/i.test(contentEncoding)) {
    throw unsupportedMedia("The header Content-Encoding is not supported: send the body uncompressed.");
  }
  if (contentType === undefined) return undefined;
  const mediaType = parseMediaType(contentType);
  if (mediaType === undefined) {
    throw unsupportedMedia("The header Content-Type is not a media type: send it like application/json.");
  }
  if (!isReadableCharset(mediaType)) {
    throw unsupportedMedia("The charset of Content-Type is not supported: send UTF-8.");
  }
  return mediaType;
}
