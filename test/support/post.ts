import { Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import { buffer } from "node:stream/consumers";
import { witness } from "./witness.ts";

export type Reply = {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** Throws when the text is not JSON. */
  json(): unknown;
};
export type PostOptions = {
  headers?: OutgoingHttpHeaders;
  /** Without one every request has a connection of its own; `keepAlive` shares them. */
  agent?: Agent;
  timeoutMs?: number;
  signal?: AbortSignal;
};

export const keepAlive = new Agent({ keepAlive: true });

/** One request on plain node:http: nothing is added, followed, retried or decoded. */
export function send(
  method: string,
  url: string,
  body: string | Uint8Array | undefined,
  { headers = {}, agent, timeoutMs = 15_000, signal }: PostOptions = {},
): Promise<Reply> {
  return new Promise((done, fail) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const options = { method, headers: { ...length, ...headers }, agent: agent ?? false, signal };
    const asked = request(url, options, (response) => {
      buffer(response).then((bytes) => {
        const text = bytes.toString("utf8");
        witness.see("answers", JSON.stringify(response.headers) + text);
        const json = (): unknown => JSON.parse(text);
        done({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      }, fail);
    });
    asked.setTimeout(timeoutMs, () => asked.destroy(new Error(`${url} was silent for ${timeoutMs} ms`)));
    asked.once("error", fail);
    asked.end(body);
  });
}

export function get(url: string, options?: PostOptions): Promise<Reply> {
  return send("GET", url, undefined, options);
}

export function postJson(url: string, body: unknown, options: PostOptions = {}): Promise<Reply> {
  const headers = { "content-type": "application/json", ...options.headers };
  return send("POST", url, JSON.stringify(body), { ...options, headers });
}

/** A CloudEvent as attributes and data; specversion is 1.0 unless it says otherwise. */
export type OutgoingEvent = {
  id: string;
  source: string;
  type: string;
  data?: unknown;
  [name: string]: unknown;
};

/** Posts one event: binary mode unless `mode` says otherwise, data as JSON. */
export function postEvent(
  url: string,
  event: OutgoingEvent,
  { mode = "binary", ...options }: PostOptions & { mode?: "binary" | "structured" } = {},
): Promise<Reply> {
  const whole = { specversion: "1.0", ...event };
  if (mode === "structured") {
    const headers = { "content-type": "application/cloudevents+json", ...options.headers };
    return send("POST", url, JSON.stringify(whole), { ...options, headers });
  }
  const { data, datacontenttype = "application/json", ...attributes } = whole as Record<string, unknown>;
  const ce = Object.entries(attributes).map(([name, value]) => [
    `ce-${name}`,
    encodeAttribute(String(value)),
  ]);
  const headers = {
    ...(data !== undefined && { "content-type": String(datacontenttype) }),
    ...Object.fromEntries(ce),
    ...options.headers,
  };
  return send("POST", url, data === undefined ? undefined : JSON.stringify(data), { ...options, headers });
}

/** Space, `"`, `%` and all that is not printable ASCII, as the HTTP binding asks. */
function encodeAttribute(value: string): string {
  return value.replace(/[^\x21-\x7e]|["%]/gu, (char) => encodeURIComponent(char));
}
