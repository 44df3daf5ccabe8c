import http from "node:http";
import https from "node:https";
import { encodeBinary, type OutgoingEvent } from "../events/outgoing.ts";
import type { TokenFile } from "./token-file.ts";

/** What became of one attempt to hand an event to a target. */
export type PostResult =
  | { kind: "taken" }
  /** The target will never take it. */
  | { kind: "refused"; reason: string }
  | { kind: "later"; reason: string; retryAfterSeconds?: number };

/** One way to hand events over; an event comes as its stored bytes. */
export type Poster = {
  post(event: string): Promise<PostResult>;
  close(): void;
};

export type PostOptions = {
  /** For the whole exchange, connecting included. */
  timeoutSeconds: number;
  /** All that TLS trusts; absent: the usual roots. */
  ca?: readonly string[] | undefined;
  /** Sent as bearer token, to this URL and nowhere else: no answer leads to another one. */
  token?: Pick<TokenFile, "read"> | undefined;
};

// Final for a Knative sender too; a 3xx is not followed and, as all else, tried again.
const FINAL_REFUSALS = new Set([400, 401, 403, 405, 410, 413, 415, 422]);
/** A target that asks for more gets its event earlier than it asked. */
const LONGEST_RETRY_AFTER_SECONDS = 3600;
const MOST_ANSWER_BYTES = 65_536;

/** Posts to one URL over connections that stay open, with a limit on the whole exchange. */
export function postTo(url: URL, { timeoutSeconds, ca, token }: PostOptions): Poster {
  const isHttps = url.protocol === "https:";
  const agentOptions = { keepAlive: true, maxSockets: 64 };
  const agent = isHttps
    ? new https.Agent({ ...agentOptions, ...(ca && { ca: [...ca] }) })
    : new http.Agent(agentOptions);
  const request = isHttps ? https.request : http.request;

  const exchange = (headers: http.OutgoingHttpHeaders, body: string, until: number) =>
    new Promise<PostResult | "stale">((resolve) => {
      const outgoing = request(url, { method: "POST", agent, headers });
      const timer = setTimeout(
        () => {
          resolve({ kind: "later", reason: `no answer within ${timeoutSeconds} s` });
          outgoing.destroy();
        },
        Math.max(0, until - performance.now()),
      );
      outgoing.once("close", () => clearTimeout(timer)); // the answer's body has its part of the time too
      outgoing.on("error", (error) => {
        // Closed by the other side while it lay idle: that says nothing about the target.
        const isStale = outgoing.reusedSocket && "code" in error && error.code === "ECONNRESET";
        resolve(isStale ? "stale" : { kind: "later", reason: reasonOf(error) });
      });
      outgoing.on("response", (response) => {
        resolve(judge(response.statusCode ?? 0, response.headers["retry-after"]));
        discard(response);
      });
      outgoing.end(body);
    });

  const post = async (event: string): Promise<PostResult> => {
    const { headers, body } = encodeBinary(JSON.parse(event) as OutgoingEvent); // our own bytes
    const until = performance.now() + timeoutSeconds * 1000;
    let bearer: string | undefined;
    try {
      bearer = await token?.read();
    } catch (error) {
      return { kind: "later", reason: `token of the sink: ${(error as Error).message}` }; // fs throws nothing else
    }
    const all = {
      ...headers,
      "content-length": String(Buffer.byteLength(body)),
      ...(bearer && { authorization: `Bearer ${bearer}` }),
    };
    // An event has an id: what a dying connection may have carried is taken once.
    for (let tries = 0; tries < 3; tries++) {
      const result = await exchange(all, body, until);
      if (result !== "stale") return result;
    }
    return { kind: "later", reason: "ECONNRESET" };
  };
  return { post, close: () => agent.destroy() };
}

/** The answer's body means nothing to us, but the connection is only usable again once it is read. */
function discard(response: http.IncomingMessage): void {
  let seen = 0;
  response.on("error", () => undefined); // the status was all we needed
  response.on("data", (chunk: Buffer) => {
    seen += chunk.length;
    if (seen > MOST_ANSWER_BYTES) response.destroy();
  });
}

const UNTRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
]);

/** In a few words, for last_error: what a TLS code means is not known by heart. */
export function reasonOf(error: Error, caVariable = "K_CA_CERTS"): string {
  const code = "code" in error ? String(error.code) : "";
  if (UNTRUSTED.has(code)) return `certificate not trusted: its CA belongs in ${caVariable} (${code})`;
  if (code === "CERT_HAS_EXPIRED") return `certificate expired (${code})`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `certificate is for another host name (${code})`;
  if (code === "EPROTO") return `no TLS is spoken there (${code})`;
  return code === "" ? "connection failed" : code;
}

/** Which answers are final, which are tried again, and when. */
export function judge(status: number, retryAfter: string | undefined): PostResult {
  if (status >= 200 && status < 300) return { kind: "taken" };
  const reason = `status ${status}`;
  if (FINAL_REFUSALS.has(status)) return { kind: "refused", reason };
  const retryAfterSeconds = readRetryAfter(retryAfter);
  return { kind: "later", reason, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
}

/** Seconds or a date, as HTTP has both. */
function readRetryAfter(text = ""): number | undefined {
  const seconds = /^\s*\d+\s*$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  if (Number.isNaN(seconds)) return undefined;
  return Math.min(Math.max(0, seconds), LONGEST_RETRY_AFTER_SECONDS);
}
