import { setTimeout as delay } from "node:timers/promises";
import { AgentError } from "../errors/agent-error.ts";
import { withoutKey } from "./answer-body.ts";
import { ANSWER_TYPES, type AttemptOptions, tryOnce, wasSilence } from "./attempt.ts";
import { isWithin } from "./endpoints.ts";
import { isPassing, notAModel, retryAfterSeconds } from "./model-errors.ts";

export type GuardOptions = AttemptOptions & {
  endpoint: URL;
  /** Asked for every request, so that a rotated key is used at once. */
  key(): string;
  /** How the provider wants the key. */
  authorization(key: string): Record<string, string>;
  maxRetries: number;
  /** Headers that carry the trace on; asked for every request. */
  trace?(): Readonly<Record<string, string>>;
  retried(): void;
};

/** The clients add others by themselves, some of them from the environment of the process. */
const HEADERS = ["accept", "content-type", "anthropic-version", "anthropic-beta"];
/** A longer wait is the queue's business: a run that sleeps here holds a worker. */
const LONGEST_WAIT_SECONDS = 10;

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
    const request = {
      ...init,
      headers: headersFor(init.headers, { ...options.trace?.(), ...options.authorization(key) }),
    };
    for (let retry = 0; ; retry++) {
      const attempt = await tryOnce(url, request, options);
      const wait = retry < options.maxRetries ? secondsBefore(retry, attempt) : undefined;
      if (wait === undefined) return await settle(attempt, key);
      if (attempt instanceof Response) await attempt.body?.cancel();
      options.retried();
      await delay(wait * 1000, undefined, init.signal ? { signal: init.signal } : {});
    }
  };
}

/** How long to wait before the next try, or undefined when there shall be none. */
function secondsBefore(retry: number, attempt: Response | AgentError): number | undefined {
  const backOff = 0.5 * 2 ** retry * (0.75 + Math.random() / 4);
  // Three silences would use up a run's time before its fallback, or another process, had a turn.
  if (attempt instanceof AgentError) return wasSilence(attempt) ? undefined : backOff;
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
  if (attempt.ok && ANSWER_TYPES.test(type)) return attempt;
  await attempt.body?.cancel();
  const why = attempt.ok ? `answered with ${type.slice(0, 60)}: is base_url right?` : `answered ${status}`;
  const hint = status >= 300 ? ", and redirects are not followed" : "";
  throw notAModel(`the model's server ${why}${hint}`);
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
