import { invalidEvent, shown } from "./refusals.ts";

/** The few headers that say anything about an event; names are in lower case. */
export type EventHeaders = {
  contentType: string | undefined;
  contentEncoding: string | undefined;
  /** `ce-` headers as they came, without the prefix. */
  ce: ReadonlyMap<string, string>;
  /** The name of a `ce-` header that came twice. */
  repeated: string | undefined;
};

/**
 * Sorts Node's flat `rawHeaders`. Not `req.headers`: Node joins repeated lines there with a comma, or
 * drops the second Content-Type in silence, and an id of "a, b" would break the search for duplicates.
 */
export function readHeaders(rawHeaders: readonly string[]): EventHeaders {
  const ce = new Map<string, string>();
  let contentType: string | undefined;
  let contentEncoding: string | undefined;
  let repeated: string | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase();
    const value = rawHeaders[i + 1] ?? "";
    if (name.startsWith("ce-")) {
      const attribute = name.slice(3);
      if (ce.has(attribute)) repeated ??= attribute;
      ce.set(attribute, value);
    } else if (name === "content-type") {
      if (contentType !== undefined) {
        throw invalidEvent("The header Content-Type came more than once: send it once.");
      }
      contentType = value.trim();
    } else if (name === "content-encoding") {
      contentEncoding = contentEncoding === undefined ? value.trim() : `${contentEncoding}, ${value.trim()}`;
    }
  }
  return { contentType: contentType || undefined, contentEncoding, ce, repeated };
}

const QUOTED_STRING = /^"((?:[^"\\]|\\.)*)"$/s;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text of a `ce-` header: RFC 7230 quotes are taken off, then one round of percent-decoding is done. */
export function decodeHeaderValue(attribute: string, value: string): string {
  const text = fromLatin1(attribute, value);
  const bare = QUOTED_STRING.exec(text)?.[1]?.replace(/\\(.)/gs, "$1") ?? text;
  if (!bare.includes("%")) return bare;
  try {
    return decodeURIComponent(bare);
  } catch {
    throw invalidEvent(
      `The header ce-${shown(attribute)} is not percent-encoded UTF-8: encode a plain % as %25.`,
    );
  }
}

/** Node hands over each byte as one latin1 character; senders that do not percent-encode mean UTF-8. */
function fromLatin1(attribute: string, value: string): string {
  if (/^[\x20-\x7e]*$/.test(value)) return value;
  try {
    if (/[^\0-\xff]/.test(value)) throw new RangeError("not a header of HTTP/1.1");
    return utf8.decode(Buffer.from(value, "latin1"));
  } catch {
    throw invalidEvent(`The header ce-${shown(attribute)} is not UTF-8: percent-encode it.`);
  }
}

/** The other way: everything outside U+0021..7E, quotes and percent signs become percent-encoded UTF-8. */
export function encodeHeaderValue(value: string): string {
  return value.replace(/[^\x21-\x7e]|["%]/gu, (character) =>
    // encodeURIComponent throws at half a surrogate pair, and a stored result must always be sendable.
    /\p{Cs}/u.test(character) ? "%EF%BF%BD" : encodeURIComponent(character),
  );
}
