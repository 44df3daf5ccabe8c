import type { AgentError } from "../errors/agent-error.ts";
import type { Caller } from "./owner.ts";
import type { Settled } from "./settle.ts";

/** How the wait for a run ended in this process. */
export type WaitResult =
  | { kind: "settled"; settled: Settled }
  /** It went back to the queue: the caller is told to come again, another attempt follows. */
  | { kind: "postponed"; error: AgentError };

/** A caller's right to wait for the outcome of an event. It must be left when the wait is over. */
export type Place = {
  result: Promise<WaitResult>;
  /** From now on the end of this run ends the wait. */
  bind(runId: string): void;
  leave(): void;
};

/**
 * Who waits in this process. There is one place for each event, taken before the event is stored:
 * of copies that arrive together one waits and the others are sent away without asking Postgres.
 */
export class Waiters {
  readonly #events = new Set<string>();
  readonly #runs = new Map<string, Set<(result: WaitResult) => void>>();

  /** Undefined when someone waits for this event already. */
  take(event: { source: string; eventId: string; caller?: Caller | undefined }): Place | undefined {
    // Nobody takes the place of another: what a copy by someone else is worth, Postgres knows.
    const key = `${event.source}\0${event.eventId}\0${event.caller?.subject ?? ""}`;
    if (this.#events.has(key)) return undefined;
    this.#events.add(key);
    const { promise, resolve } = withResolvers<WaitResult>();
    let unbind = () => undefined as unknown;
    return {
      result: promise,
      bind: (runId) => {
        const bound = this.#runs.get(runId) ?? new Set();
        this.#runs.set(runId, bound.add(resolve));
        unbind = () => bound.delete(resolve) && bound.size === 0 && this.#runs.delete(runId);
      },
      leave: () => {
        unbind();
        this.#events.delete(key);
      },
    };
  }

  tell(runId: string, result: WaitResult): void {
    for (const resolve of this.#runs.get(runId) ?? []) resolve(result);
  }
}

/** `Promise.withResolvers` is not there on Node 20. */
function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
