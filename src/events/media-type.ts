/** `essence` is `type/subtype` in lower case; charsets are in lower case too. */
export type MediaType = { essence: string; charsets: readonly string[] };

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const ESSENCE = new RegExp(`\\s*(${TOKEN}/${TOKEN})`, "y");
const PARAMETER = new RegExp(`\\s*;\\s*(?:(${TOKEN})\\s*=\\s*(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)"))?`, "y");
const READABLE_CHARSETS = new Set(["utf-8", "us-ascii"]);
// The pattern for quoted parameters backtracks; without a cap a long one would exhaust its stack.
const MAX_LENGTH = 1024;

/** Reads a media type with any case, spacing and quoting that RFC 9110 allows; undefined if it is none. */
export function parseMediaType(text: string): MediaType | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  ESSENCE.lastIndex = 0;
  const essence = ESSENCE.exec(text)?.[1];
  if (essence === undefined) return undefined;

  const charsets: string[] = [];
  let end = ESSENCE.lastIndex;
  while (text.slice(end).trim() !== "") {
    PARAMETER.lastIndex = end;
    const match = PARAMETER.exec(text);
    if (match === null) return undefined;
    const [, name, token, quoted] = match;
    if (name?.toLowerCase() === "charset") {
      charsets.push((token ?? quoted ?? "").replace(/\\(.)/g, "$1").toLowerCase());
    }
    end = PARAMETER.lastIndex;
  }
  return { essence: essence.toLowerCase(), charsets };
}

/** CloudEvents calls data JSON if its media type is `x/json` or ends in `+json`. */
export function isJsonType({ essence }: MediaType): boolean {
  return essence.endsWith("/json") || essence.endsWith("+json");
}

/** Whether the bytes may be read as UTF-8. */
export function isReadableCharset({ charsets }: MediaType): boolean {
  return charsets.every((charset) => READABLE_CHARSETS.has(charset));
}
