import type { Clock } from "./clock.ts";
import { isPassing, VaultFailure } from "./failure.ts";

const MOST_TRIES = 3;
const FIRST_REST_MS = 200;
const LONGEST_REST_MS = 5000;

/** Tries again what failed for a passing reason, a few times; who needs it for sure comes again later. */
export async function retrying<T>(work: () => Promise<T>, clock: Clock, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error) || tries === MOST_TRIES || signal.aborted) throw error;
      const asked = error instanceof VaultFailure ? error.retryAfterMs : undefined;
      await clock.rest(restMs(tries, clock, asked), signal);
    }
  }
}

/** Longer after each failure, half by chance, and no shorter than Vault asked for. */
export function restMs(failures: number, clock: Clock, atLeastMs = 0, longestMs = LONGEST_REST_MS): number {
  const grown = FIRST_REST_MS * 2 ** Math.min(failures - 1, 20) * (0.5 + clock.random() / 2);
  return Math.min(Math.max(grown, atLeastMs), longestMs);
}
