import { catalogue, type ErrorCode, type ErrorKind } from "./catalogue.ts";

/** What a `failed` event carries under `data.error`. */
export type WireError = {
  code: ErrorCode;
  message: string;
  type: string;
  retryable: boolean;
  path?: string;
};

export type ErrorDetails = {
  cause?: unknown;
  /** JSON pointer into the definition, the event or the query that is at fault. */
  path?: string;
  retryAfterSeconds?: number;
};

const MAX_MESSAGE_BYTES = 2048;

/** The one error class: the code says everything else, by way of the catalogue. */
export class AgentError extends Error {
  readonly code: ErrorCode;
  readonly path: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.path = details.path;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  override get name(): string {
    return typeName(this.code);
  }

  get kind(): ErrorKind {
    return catalogue[this.code];
  }

  get retryable(): boolean {
    return this.kind.actor === "later";
  }

  /** Never the stack and never the cause: both may quote secrets. */
  toWire(): WireError {
    const message = cutToBytes(this.message, MAX_MESSAGE_BYTES);
    const wire: WireError = { code: this.code, message, type: this.name, retryable: this.retryable };
    if (this.path !== undefined) wire.path = this.path;
    return wire;
  }
}

/** `unknown_tool` → `UnknownToolError`: consumers of the Python service match on such names. */
function typeName(code: string): string {
  const words = code.split("_").map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join("")}Error`;
}

/** Cuts at a character, not inside one, and says that it cut. */
export function cutToBytes(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= maxBytes) return text;
  const ellipsis = "…";
  let end = Math.max(0, maxBytes - Buffer.byteLength(ellipsis));
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end).toString("utf8") + ellipsis;
}
