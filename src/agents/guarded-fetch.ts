import { setTimeout as delay } from "node:timers/promises";
import { AgentError } from "../errors/agent-error.ts";
import { isWithin, NO_KEY } from "./endpoints.ts";
import { isPassing, retryAfterSeconds } from "./model-errors.ts";
import { Silence, watched } from "./silence.ts";

export type GuardOptions = {
  endpoint: URL;
  /** Asked for every request, so that a rotated key is used at once. */
  key(): string;
  /** How the provider wants the key. */
  authorization(key: string): Record<string, string>;
  silenceSeconds: number;
  maxRetries: number;
};

/** The clients add others by themselves, some of them from the environment of the process. */
const HEADERS = ["accept", "content-type", "anthropic-version", "anthropic-beta"];
/** A longer wait is the queue's business: a run that sleeps here holds a worker. */
const LONGEST_WAIT_SECONDS = 10;
const MAX_ERROR_CHARS = 16_384;

/**
 * The fetch that a provider's client gets: it reaches one endpoint and nothing else, follows no
 * redirect, sends only the headers it knows and the key of that endpoint, tries again what may
 * pass, and gives up on a server that falls silent.
 */
export function guardedFetch(options: GuardOptions): typeof globalThis.fetch {
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (!isWithin(url, options.endpoint.href)) {
      throw new AgentError("base_url_not_allowed", `a request to ${url.origin} left the model's base_url`);
    }
    const key = options.key();
    const request = { ...init, headers: headersFor(init.headers, options.authorization(key)) };
    for (let retry = 0; ; retry++) {
      const attempt = await tryOnce(url, request, options.silenceSeconds);
      const wait = retry < options.maxRetries ? secondsBefore(retry, attempt) : undefined;
      if (wait === undefined) return await settle(attempt, key);
      if (attempt instanceof Response) await attempt.body?.cancel();
      await delay(wait * 1000, undefined, init.signal ? { signal: init.signal } : {});
    }
  };
}

/** The response, or the error of a request that did not get through. An abort of the caller is thrown. */
async function tryOnce(url: URL, init: RequestInit, seconds: number): Promise<Response | AgentError> {
  const silence = new Silence(seconds);
  const signal = AbortSignal.any([silence.signal, ...(init.signal ? [init.signal] : [])]);
  const unavailable = (error: unknown) =>
    new AgentError("model_unavailable", `the model's server at ${url.origin} ${silence.explain(error)}`);
  try {
    const response = await fetch(url, { ...init, signal, redirect: "manual" });
    return watched(response, {
      silence,
      endMark: endMarkOf(url, response),
      fail: (error) => (init.signal?.aborted ? error : unavailable(error)),
    });
  } catch (error) {
    silence.end();
    if (init.signal?.aborted) throw error;
    return unavailable(error);
  }
}

/** The clients take the end of the connection for the end of the answer. */
function endMarkOf(url: URL, response: Response): string | undefined {
  if (!response.ok || !response.headers.get("content-type")?.includes("event-stream")) return undefined;
  if (url.pathname.endsWith("/chat/completions")) return "[DONE]";
  return url.pathname.endsWith("/messages") ? "message_stop" : undefined;
}

/** How long to wait before the next try, or undefined when there shall be none. */
function secondsBefore(retry: number, attempt: Response | AgentError): number | undefined {
  const backOff = 0.5 * 2 ** retry * (0.75 + Math.random() / 4);
  if (attempt instanceof AgentError) return backOff;
  const { status, headers } = attempt;
  if (!isPassing(status) || headers.get("x-should-retry") === "false") return undefined;
  const asked = retryAfterSeconds(headers) ?? backOff;
  return asked <= LONGEST_WAIT_SECONDS ? asked : undefined;
}

async function settle(attempt: Response | AgentError, key: string): Promise<Response> {
  if (attempt instanceof AgentError) throw attempt;
  const { status, headers } = attempt;
  const type = headers.get("content-type") ?? "nothing";
  if (status >= 400) return await withoutKey(attempt, key);
  if (attempt.ok && /json|event-stream/.test(type)) return attempt;
  await attempt.body?.cancel();
  const why = attempt.ok ? `answered with ${type.slice(0, 60)}: is base_url right?` : `answered ${status}`;
  const hint = status >= 300 ? ", and redirects are not followed" : "";
  throw new AgentError("model_refused", `the model's server ${why}${hint}`);
}

function headersFor(sent: RequestInit["headers"], authorization: Record<string, string>): Headers {
  const given = new Headers(sent);
  const headers = new Headers({ "user-agent": "agent-executor", ...authorization });
  for (const name of HEADERS) {
    const value = given.get(name);
    if (value !== null) headers.set(name, value);
  }
  return headers;
}

/** Some servers quote the key that they refuse, and what they say ends up in events and logs. */
async function withoutKey(response: Response, key: string): Promise<Response> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > MAX_ERROR_CHARS) break;
  }
  const { status, statusText, headers } = response;
  const safe = key === NO_KEY ? text : text.replaceAll(key, "[redacted]");
  return new Response(safe, { status, statusText, headers: plainBodyHeaders(headers) });
}

/** Length and encoding were those of the body that was replaced. */
function plainBodyHeaders(headers: Headers): Headers {
  const plain = new Headers(headers);
  for (const name of ["content-length", "content-encoding"]) plain.delete(name);
  return plain;
}
