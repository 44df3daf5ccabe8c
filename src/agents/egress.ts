import { lookup } from "node:dns/promises";
import * as http from "node:http";
import * as https from "node:https";
import { isIP, type LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { AgentError } from "../errors/agent-error.ts";
import { inSpan, SpanKind, traceHeaders } from "../observability/spans.ts";
import type { EgressAllow } from "./egress-allow.ts";

type Address = { address: string; family: number };

export type EgressOptions = {
  allow: EgressAllow;
  /** All addresses of a host name; the system's resolver unless a test says otherwise. */
  resolve?: (host: string) => Promise<readonly Address[]>;
};

export type EgressRequest = {
  method: string;
  url: URL;
  headers: Readonly<Record<string, string>>;
  body: string | undefined;
  /** For all of it: resolving, connecting, sending, and reading the answer. */
  seconds: number;
  /** Where reading stops; what came until then is the body. */
  maxBytes: number;
  signal: AbortSignal | undefined;
  /** Once it is on its way an abort is too late: to cut it would only lose its answer. */
  endsOnceSent: boolean;
};

export type EgressResponse = {
  status: number;
  statusText: string;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
  isCut: boolean;
};

/** A request without an answer. */
export class EgressFailure extends Error {
  /** False only when it is certain that the server has seen nothing of the request. */
  readonly sent: boolean;

  constructor(message: string, sent: boolean) {
    super(message);
    this.sent = sent;
  }
}

/**
 * The only way out for tools. A host is resolved once, each of its addresses must be public or listed
 * by the operator, and the connection goes to just these addresses: a name that means something else
 * a moment later (DNS rebinding) is not asked again. Redirects are answers like any other.
 */
export class Egress {
  readonly #allow: EgressAllow;
  readonly #resolve: NonNullable<EgressOptions["resolve"]>;

  constructor({ allow, resolve = (host) => lookup(host, { all: true }) }: EgressOptions) {
    this.#allow = allow;
    this.#resolve = resolve;
  }

  /** The answer, whatever its status. Throws egress_refused, an EgressFailure, or the signal's reason. */
  async send(request: EgressRequest): Promise<EgressResponse> {
    const { method, url } = request;
    // Neither path nor query: they may hold what a model or a person said.
    const attributes = {
      "http.request.method": method,
      "server.address": url.hostname,
      "server.port": portOf(url),
    };
    return await inSpan(method, { kind: SpanKind.CLIENT, attributes }, async (span) => {
      const headers = { ...traceHeaders(), ...request.headers };
      const response = await this.#send({ ...request, headers });
      span.setAttribute("http.response.status_code", response.status);
      return response;
    });
  }

  async #send(request: EgressRequest): Promise<EgressResponse> {
    const { signal, seconds, url } = request;
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(tooLate(seconds, false)), seconds * 1000);
    try {
      const either = AbortSignal.any([limit.signal, ...(signal ? [signal] : [])]);
      either.throwIfAborted();
      const addresses = await orAborted(this.#addressesOf(url), either);
      return await exchange(request, addresses, limit.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  async #addressesOf(url: URL): Promise<readonly Address[]> {
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      throw refused(url, "is neither http nor https");
    }
    const host = bareHost(url);
    const family = isIP(host);
    const addresses = family ? [{ address: host, family }] : await this.#ask(host);
    if (this.#allow.hasHost(url.hostname, portOf(url))) return addresses;
    for (const { address } of addresses) {
      const kind = kindOf(address);
      if (kind === "unicast" || this.#allow.hasAddress(ipaddr.process(address).toString())) continue;
      throw refused(url, `${family ? "is" : "has"} an address that is not public (${kind})`);
    }
    return addresses;
  }

  async #ask(host: string): Promise<readonly Address[]> {
    const addresses = await this.#resolve(host).catch((error: unknown) => {
      throw new EgressFailure(`the name of the server could not be resolved (${codeOf(error)})`, false);
    });
    if (addresses.length === 0) throw new EgressFailure("the server has no address", false);
    return addresses;
  }
}

function refused(url: URL, why: string): AgentError {
  return new AgentError("egress_refused", `${url.host} ${why}; the operator may allow it by EGRESS_ALLOW`);
}

/** In the public range, and yet every Azure machine's own control channel. */
const METADATA = new Set(["168.63.129.16"]);

/** "unicast" is public; anything else names the range that is not. */
export function kindOf(address: string): string {
  const ip = ipaddr.process(address); // ::ffff:10.0.0.1 is 10.0.0.1
  if (ip instanceof ipaddr.IPv4) return METADATA.has(ip.toString()) ? "metadata" : ip.range();
  const range = ip.range();
  const [first = 0, second, ...rest] = ip.parts;
  if (range === "rfc6052" && rest.slice(0, 4).every((part) => part === 0)) {
    // NAT64 leads to the IPv4 address at its end.
    return `${first}:${second}` === `${0x64}:${0xff9b}` ? kindOf(embedded(rest.slice(4))) : range;
  }
  // Public IPv6 is 2000::/3; what lies outside is at best not routed.
  return range === "unicast" && first >> 13 !== 1 ? "reserved" : range;
}

function embedded(parts: number[]): string {
  return parts.flatMap((part) => [part >> 8, part & 0xff]).join(".");
}

/** One request over one connection of its own, to one of these addresses. */
function exchange(
  request: EgressRequest,
  addresses: readonly Address[],
  limit: AbortSignal,
): Promise<EgressResponse> {
  const { signal, endsOnceSent, maxBytes, seconds } = request;
  return new Promise((resolve, reject) => {
    const message = open(request, addresses);
    let [sent, answered] = [false, false];
    const isHeld = () => sent && endsOnceSent;
    const onLimit = () => message.destroy();
    const onAbort = () => isHeld() || message.destroy();
    const fail = (error: unknown) => {
      if (limit.aborted) reject(tooLate(seconds, sent));
      else if (signal?.aborted && !isHeld()) reject(signal.reason);
      else reject(new EgressFailure(`the connection failed (${codeOf(error)})`, sent));
    };
    limit.addEventListener("abort", onLimit, { once: true });
    signal?.addEventListener("abort", onAbort, { once: true });
    message.once("socket", (socket) => {
      socket.once(request.url.protocol === "https:" ? "secureConnect" : "connect", () => {
        sent = true;
      });
    });
    message.once("error", fail);
    message.once("response", (response) => {
      answered = true;
      read(response, maxBytes).then(resolve, fail);
    });
    message.once("close", () => {
      signal?.removeEventListener("abort", onAbort);
      limit.removeEventListener("abort", onLimit);
      if (!answered) fail(undefined); // after an error this changes nothing
    });
    message.end(request.body);
  });
}

function open(request: EgressRequest, addresses: readonly Address[]): http.ClientRequest {
  const { url, method, headers, body } = request;
  const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
  return (url.protocol === "https:" ? https : http).request({
    hostname: bareHost(url),
    port: portOf(url),
    path: `${url.pathname}${url.search}`,
    method,
    headers: { host: url.host, ...headers, ...length },
    lookup: lookupOf(addresses),
    agent: false,
  });
}

async function read(response: http.IncomingMessage, maxBytes: number): Promise<EgressResponse> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > maxBytes) break; // leaving the loop closes the connection
  }
  const { statusCode: status = 0, statusMessage: statusText = "", headers } = response;
  const body = Buffer.concat(chunks).subarray(0, maxBytes);
  return { status, statusText, headers, body, isCut: size > maxBytes };
}

/** Node asks this instead of a resolver, in either of two forms. */
function lookupOf(addresses: readonly Address[]): LookupFunction {
  return (_host, options, answer) => {
    const [first] = addresses;
    if (options.all) answer(null, [...addresses]);
    else answer(null, first?.address ?? "", first?.family);
  };
}

function portOf({ port, protocol }: URL): number {
  return Number(port) || (protocol === "https:" ? 443 : 80);
}

function bareHost({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

function tooLate(seconds: number, sent: boolean): EgressFailure {
  return new EgressFailure(`no answer within ${seconds} s`, sent);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "cut off";
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
