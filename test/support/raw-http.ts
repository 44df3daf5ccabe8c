import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { witness } from "./witness.ts";

export type RawResponse = {
  status: number;
  statusText: string;
  /** Lower-case names; lines of the same name stay apart in `rawHeaders`. */
  headers: Record<string, string>;
  rawHeaders: [name: string, value: string][];
  body: string;
  bytes: Buffer;
};
/** Text is sent as it stands, one byte for a character (latin1), so CR and LF must be written out. */
export type Part = string | Uint8Array | { pauseMs: number };

/** A bare connection: what HTTP clients forbid (half requests, doubled headers, odd bytes) can be sent here. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  #unread = Buffer.alloc(0);
  #ended = false;
  #error: Error | undefined;
  #changed: () => void = () => undefined;

  private constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.on("data", (chunk: Buffer) => {
      witness.see("answers", chunk.toString());
      this.#unread = Buffer.concat([this.#unread, chunk]);
      this.#changed();
    });
    socket.on("error", (error) => {
      this.#error = error; // "close" comes next
    });
    for (const end of ["end", "close"] as const) {
      socket.on(end, () => {
        this.#ended = true;
        this.#changed();
      });
    }
  }

  static async open(url: string, { timeoutMs = 10_000 } = {}): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    // allowHalfOpen: the test decides when our side closes, not the server's close.
    const socket = connect({ host: hostname, port: Number(port || 80), allowHalfOpen: true, noDelay: true });
    await once(socket, "connect");
    return new RawConnection(socket, timeoutMs);
  }

  /** Sends the parts one after the other, each in a write of its own. */
  async send(...parts: readonly Part[]): Promise<void> {
    for (const part of parts) {
      if (typeof part === "object" && "pauseMs" in part) await delay(part.pauseMs);
      else this.#socket.write(typeof part === "string" ? Buffer.from(part, "latin1") : part);
    }
  }

  /** The next full response; on a connection that is kept alive, one for each request (not for HEAD). */
  async read(): Promise<RawResponse> {
    const response = await this.#until("a full response", () => {
      const parsed = parseResponse(this.#unread, this.#ended);
      if (parsed) this.#unread = this.#unread.subarray(parsed.length);
      return parsed?.response;
    });
    if (response) return response;
    const heard = JSON.stringify(this.#unread.toString("latin1").slice(0, 500));
    throw new Error(
      `the connection ended before a full response (${this.#error?.message ?? "in order"}): ${heard}`,
    );
  }

  /** Says that no more bytes come, and goes on listening. */
  halfClose(): void {
    this.#socket.end();
  }

  /** Resolves when the other side has closed. */
  async closed(): Promise<void> {
    await this.#until("the other side to close", () => undefined);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }

  /** The result as soon as there is one; undefined once the connection has ended without. */
  async #until<T>(what: string, look: () => T | undefined): Promise<T | undefined> {
    const deadline = performance.now() + this.#timeoutMs;
    for (;;) {
      const found = look();
      if (found !== undefined || this.#ended) return found;
      await new Promise<void>((done, fail) => {
        const late = () => fail(new Error(`waited ${this.#timeoutMs} ms for ${what}`));
        const timeout = setTimeout(late, deadline - performance.now());
        this.#changed = () => {
          clearTimeout(timeout);
          done();
        };
      });
    }
  }
}

/** One connection, these bytes, one response. */
export async function sendRaw(url: string, parts: readonly Part[], options = {}): Promise<RawResponse> {
  using connection = await RawConnection.open(url, options);
  await connection.send(...parts);
  return await connection.read();
}

/** The first final response in the bytes; undefined when it is not whole yet. */
function parseResponse(all: Buffer, ended: boolean): { response: RawResponse; length: number } | undefined {
  const headEnd = all.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const [statusLine = "", ...lines] = all.subarray(0, headEnd).toString("latin1").split("\r\n");
  const [, code = "", statusText = ""] = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(statusLine) ?? [];
  if (!code) throw new Error(`not an HTTP response: ${statusLine}`);
  const status = Number(code);
  const rest = all.subarray(headEnd + 4);
  if (status < 200) {
    const final = parseResponse(rest, ended); // 100 Continue comes before the real one
    return final && { response: final.response, length: final.length + headEnd + 4 };
  }
  const rawHeaders = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const headers = Object.fromEntries(rawHeaders.map(([name, value]) => [name.toLowerCase(), value]));
  const body = parseBody(status, headers, rest, ended);
  if (!body) return undefined;
  const response = {
    status,
    statusText,
    headers,
    rawHeaders,
    body: body.bytes.toString("utf8"),
    bytes: body.bytes,
  };
  return { response, length: headEnd + 4 + body.length };
}

type Body = { bytes: Buffer; length: number };

function parseBody(
  status: number,
  headers: RawResponse["headers"],
  rest: Buffer,
  ended: boolean,
): Body | undefined {
  if (status === 204 || status === 304) return { bytes: Buffer.alloc(0), length: 0 };
  if (headers["transfer-encoding"]?.toLowerCase() === "chunked") return parseChunks(rest);
  const declared = headers["content-length"];
  if (declared === undefined) return ended ? { bytes: rest, length: rest.length } : undefined;
  const length = Number(declared);
  return rest.length < length ? undefined : { bytes: rest.subarray(0, length), length };
}

function parseChunks(rest: Buffer): Body | undefined {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(rest.subarray(at, lineEnd).toString("latin1"), 16);
    const start = lineEnd + 2;
    if (Number.isNaN(size)) throw new Error(`not a chunk: ${rest.subarray(at, lineEnd)}`);
    if (rest.length < start + size + 2) return undefined;
    if (size === 0) return { bytes: Buffer.concat(chunks), length: start + 2 };
    chunks.push(rest.subarray(start, start + size));
    at = start + size + 2;
  }
}
