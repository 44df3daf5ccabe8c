import http from "node:http";
import https from "node:https";
import { VaultFailure } from "./failure.ts";

/** A request as node-vault hands it over. */
export type VaultRequest = {
  uri: string;
  method: string;
  headers: Record<string, string>;
  json?: unknown;
};
export type VaultAnswer = { statusCode: number; body: unknown; request: { path: string } };

export type TransportOptions = {
  /** All that TLS trusts; undefined: the usual roots. */
  ca: readonly string[] | undefined;
  /** For one call in all: connecting, and the last byte of the answer. */
  timeoutMs: number;
};

const MOST_REDIRECTS = 3;
const MOST_BYTES = 1_048_576;
const LONGEST_RETRY_AFTER_MS = 30_000;

/**
 * node-vault's way out, in place of axios: with a time limit, no proxies, and no redirects but those that
 * keep the method. A line of its own for each call: calls are few, and a pooled one may be half dead.
 */
export function openTransport(options: TransportOptions): (request: VaultRequest) => Promise<VaultAnswer> {
  const agents = {
    http: new http.Agent({ keepAlive: false }),
    https: new https.Agent({ keepAlive: false, ...(options.ca && { ca: [...options.ca] }) }),
  };
  return async (request) => {
    const signal = AbortSignal.timeout(options.timeoutMs);
    const about = `${request.method} ${new URL(request.uri).pathname}`;
    let url = new URL(request.uri);
    for (let hops = 0; ; hops++) {
      const answer = await exchange(url, request, agents, signal).catch((error: unknown) => {
        const why = signal.aborted ? `no answer within ${options.timeoutMs / 1000} s` : reasonOf(error);
        throw new VaultFailure(`${about}: ${url.host}: ${why}`);
      });
      if (answer.status < 300 || answer.status >= 400) return judge(answer, about, url.pathname);
      url = follow(answer, url, about, hops);
    }
  };
}

type Raw = { status: number; location: string | undefined; retryAfter: string | undefined; text: string };

async function exchange(
  url: URL,
  { method, headers, json }: VaultRequest,
  agents: { http: http.Agent; https: https.Agent },
  signal: AbortSignal,
): Promise<Raw> {
  const isTls = url.protocol === "https:";
  const body = json === undefined ? undefined : JSON.stringify(json);
  const all = {
    ...headers,
    "x-vault-request": "true",
    ...(body !== undefined && {
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
    }),
  };
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const options = { method, headers: all, agent: isTls ? agents.https : agents.http, signal };
    const request = (isTls ? https : http).request(url, options, resolve);
    request.once("error", reject).end(body);
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length;
    if (bytes > MOST_BYTES) throw new Error(`the answer is longer than ${MOST_BYTES} bytes`);
    chunks.push(chunk as Buffer);
  }
  const { location, "retry-after": retryAfter } = response.headers;
  return {
    status: response.statusCode ?? 0,
    location,
    retryAfter,
    text: Buffer.concat(chunks).toString("utf8"),
  };
}

/** A standby names the active node by 307. Any other redirect changes the request, so it is refused. */
function follow({ status, location }: Raw, from: URL, about: string, hops: number): URL {
  const refuse = (why: string) => new VaultFailure(`${about}: status ${status}, ${why}`, status);
  if (status !== 307 && status !== 308) throw refuse("a redirect that is not followed: check VAULT_ADDR");
  if (hops >= MOST_REDIRECTS) throw refuse("redirected too often");
  if (location === undefined || !URL.canParse(location, from.href)) throw refuse("a redirect to nowhere");
  const to = new URL(location, from);
  const isSafe = to.protocol === "https:" || (to.protocol === "http:" && from.protocol === "http:");
  if (!isSafe) throw refuse("a redirect away from TLS");
  return to;
}

function judge({ status, text, retryAfter }: Raw, about: string, path: string): VaultAnswer {
  if (status === 200 || status === 204) {
    return { statusCode: status, body: text === "" ? undefined : parse(text, about), request: { path } };
  }
  const seconds = Number(retryAfter);
  const waitMs = seconds > 0 ? Math.min(seconds * 1000, LONGEST_RETRY_AFTER_MS) : undefined;
  throw new VaultFailure(`${about}: ${status} ${errorsIn(text)}`.trim(), status, waitMs);
}

function parse(text: string, about: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new VaultFailure(`${about}: the answer is not JSON: check VAULT_ADDR`);
  }
}

/** Vault's own words, all of them but not for ever. */
function errorsIn(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown };
    return Array.isArray(errors) ? errors.map(String).join("; ").slice(0, 300) : "";
  } catch {
    return "";
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return "connection failed";
  return "code" in error ? String(error.code) : error.message;
}
