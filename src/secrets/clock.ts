import { setTimeout as delay } from "node:timers/promises";

/** Time as the room knows it; tests bring their own. */
export type Clock = {
  now(): number;
  /** Ends early, and well, when the signal does. */
  rest(ms: number, signal: AbortSignal): Promise<void>;
  /** From 0 to 1: what starts together must not come back together. */
  random(): number;
};

export const systemClock: Clock = {
  now: () => performance.now(),
  rest: (ms, signal) => delay(ms, undefined, { signal, ref: false }).catch(() => undefined),
  random: Math.random,
};
