import type { FastifyInstance, FastifyRequest } from "fastify";
import { AgentError } from "../errors/agent-error.ts";

export type RateLimitOptions = {
  /** Requests a second that one caller may make of the pages of jobs; 0 = as many as they like. */
  jobRequestsPerSecond: number;
  now?: () => number;
};

type Bucket = { tokens: number; at: number };

/** How many callers are remembered: those that come back most rarely are forgotten first. */
const MOST_CALLERS = 10_000;
/** Seconds' worth of requests that may come at once. */
const BURST_SECONDS = 4;

/**
 * A bucket for each caller, of this process alone. It guards the database against a page that reloads
 * too often; events have bounds of their own, which count runs and not requests.
 */
export function limitRates(
  app: FastifyInstance,
  { jobRequestsPerSecond: rate, now = Date.now }: RateLimitOptions,
) {
  if (rate === 0) return;
  const buckets = new Map<string, Bucket>();
  const most = rate * BURST_SECONDS;
  // After the guard has said who calls.
  app.addHook("preHandler", async (request) => {
    if (!request.routeOptions.url?.startsWith("/jobs")) return;
    const caller = callerOf(request);
    const at = now();
    const { tokens, at: before } = buckets.get(caller) ?? { tokens: most, at };
    const left = Math.min(most, tokens + ((at - before) / 1000) * rate) - 1;
    buckets.delete(caller); // so that the oldest stands first
    buckets.set(caller, { tokens: Math.max(left, -1), at });
    const [oldest] = buckets.size > MOST_CALLERS ? buckets.keys() : [];
    if (oldest !== undefined) buckets.delete(oldest);
    if (left < 0) {
      const retryAfterSeconds = Math.max(1, Math.ceil(-left / rate));
      throw new AgentError("too_many_requests", `at most ${rate} requests a second`, { retryAfterSeconds });
    }
  });
}

function callerOf({ caller, ip }: FastifyRequest): string {
  return caller === undefined ? `address ${ip}` : `subject ${caller.subject}`;
}
