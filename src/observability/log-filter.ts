import { logMetrics } from "./tallies.ts";

const LEVELS = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60, silent: Infinity } as const;
type LevelName = keyof typeof LEVELS;

/** So many lines of one text in so long; of what comes more, only the number is said. */
const MOST_ALIKE = 50;
const WINDOW_MS = 10_000;
/** Texts of ours are few; more than these come from elsewhere and share one count. */
const MOST_TEXTS = 200;

type Count = { seen: number; since: number };

/**
 * Decides line by line what is written: by a level that may change while the service runs, for all
 * loggers that were made from one, and by how much of the same was written already.
 */
export class LogFilter {
  readonly #asStarted: LevelName;
  #least: number;
  readonly #counts = new Map<string, Count>();
  readonly #now: () => number;

  constructor(level: LevelName, now: () => number = () => performance.now()) {
    this.#asStarted = level;
    this.#least = LEVELS[level];
    this.#now = now;
  }

  /** Between the level of the start and `debug`. Gives the one that holds now. */
  toggle(): LevelName {
    const isAsStarted = this.#least === LEVELS[this.#asStarted];
    const next = isAsStarted ? "debug" : this.#asStarted;
    this.#least = LEVELS[next];
    return next;
  }

  /** How many lines of this text were left out before this one; undefined: this one is left out too. */
  passes(level: number, text: string): number | undefined {
    if (level < this.#least) return undefined;
    // Errors are all said; so is what happens to each run, or a job could not be followed.
    if (level >= LEVELS.error || level === LEVELS.info) return 0;
    const key = this.#counts.has(text) || this.#counts.size < MOST_TEXTS ? text : "";
    const now = this.#now();
    const count = this.#counts.get(key);
    if (count === undefined || now - count.since > WINDOW_MS) {
      this.#counts.set(key, { seen: 1, since: now });
      return Math.max(0, (count?.seen ?? 0) - MOST_ALIKE);
    }
    count.seen++;
    if (count.seen <= MOST_ALIKE) return 0;
    logMetrics.leftOut();
    return undefined;
  }
}
