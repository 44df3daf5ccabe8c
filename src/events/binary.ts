import { readAttributes } from "./attributes.ts";
import { isUriReference } from "./formats.ts";
import { decodeHeaderValue, type EventHeaders } from "./headers.ts";
import type { EventData, IncomingEvent } from "./incoming.ts";
import { parseJsonBytes } from "./json-text.ts";
import { isJsonType, type MediaType } from "./media-type.ts";
import { invalidEvent, shown } from "./refusals.ts";

/** Binary mode: attributes are `ce-` headers, Content-Type is the type of the data, the body is the data. */
export function readBinaryEvent(
  headers: EventHeaders,
  mediaType: MediaType | undefined,
  body: Uint8Array,
  maxDepth: number,
): IncomingEvent {
  if (headers.repeated !== undefined) {
    throw invalidEvent(`The header ce-${shown(headers.repeated)} came more than once: send it once.`);
  }
  const raw = new Map<string, string>();
  for (const [name, value] of headers.ce) {
    if (name === "datacontenttype") {
      throw invalidEvent("The header ce-datacontenttype is not allowed: send Content-Type instead.");
    }
    if (name === "data") throw invalidEvent("The header ce-data is not allowed: send the data as the body.");
    raw.set(name, readHeader(name, value));
  }
  if (headers.contentType !== undefined) raw.set("datacontenttype", headers.contentType);
  return { ...readAttributes(raw), data: readBody(mediaType, body, maxDepth) };
}

/**
 * The Go SDK, and so Knative, puts a URI into its header as it is. Where decoding an escape that belongs to
 * the URI would break it, the text as it came is what the sender meant.
 */
function readHeader(name: string, value: string): string {
  const text = decodeHeaderValue(name, value);
  const isUri = name === "source" || name === "dataschema";
  return isUri && !isUriReference(text) && isUriReference(value) ? value : text;
}

function readBody(mediaType: MediaType | undefined, body: Uint8Array, maxDepth: number): EventData {
  if (body.length === 0) return { kind: "none" };
  // Without a content type nothing is known of the bytes, however much they look like JSON.
  if (mediaType === undefined || !isJsonType(mediaType)) return { kind: "bytes", bytes: body };
  const [value] = parseJsonBytes(body, maxDepth, { name: "body", envelopeLevels: 0 });
  return { kind: "json", value };
}
