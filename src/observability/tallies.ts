/**
 * What is counted from the first moment on: as plain numbers, which the metrics read when they are
 * scraped. The port must not wait for the package of the metrics.
 */
const counts = new Map<string, number>();
let linesLeftOut = 0;

export type Door = "http" | "nats";
export type EventOutcome = "stored" | "answered" | "refused" | "busy" | "failed";

export const eventMetrics = {
  /** One event has its answer, whichever door it came through. */
  ended: (door: Door, outcome: EventOutcome): void => {
    const key = `${door} ${outcome}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  },
};

export const logMetrics = {
  leftOut: (): void => {
    linesLeftOut++;
  },
};

export const tallies = {
  events: (): { door: string; outcome: string; count: number }[] =>
    [...counts].map(([key, count]) => {
      const [door = "", outcome = ""] = key.split(" ");
      return { door, outcome, count };
    }),
  linesLeftOut: (): number => linesLeftOut,
};
