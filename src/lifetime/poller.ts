import { setTimeout as delay } from "node:timers/promises";

/** Does one thing again and again, resting when idle or after a failure. `stop` waits for the one in hand. */
export class Poller {
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  #wake: AbortController = new AbortController();

  constructor(doNext: () => Promise<boolean>, report: (error: unknown) => void, restMs = 500) {
    this.#loop = this.#run(doNext, report, restMs);
  }

  /** Ends the present rest at once: there is something to do. */
  wake(): void {
    this.#wake.abort();
  }

  async #run(doNext: () => Promise<boolean>, report: (error: unknown) => void, restMs: number) {
    while (!this.#stopping.signal.aborted) {
      // The controller is renewed before the work, so that a wake during the work is not lost.
      this.#wake = new AbortController();
      // A lost connection must not end the loop: the next round may find the database back.
      const busy = await doNext().catch((error) => {
        report(error);
        return false;
      });
      if (busy) continue;
      const signal = AbortSignal.any([this.#stopping.signal, this.#wake.signal]);
      await delay(restMs, undefined, { signal }).catch(() => undefined); // woken, not failed
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }
}
