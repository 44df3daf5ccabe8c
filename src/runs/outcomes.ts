import { setTimeout as delay } from "node:timers/promises";
import type { Deliverer } from "../delivery/deliverer.ts";
import { type DeliveryState, storedEvent } from "../delivery/outbox.ts";
import { AgentError } from "../errors/agent-error.ts";
import { outcomeEventId } from "../events/outgoing.ts";
import type { Database } from "../postgres/database.ts";
import { runState } from "./repository.ts";
import { FINAL, type RunStatus } from "./run.ts";
import type { Place } from "./waiters.ts";
import type { Worker } from "./worker.ts";

/** What the caller wants to wait for. */
export type WaitFor =
  | { kind: "stored" }
  | { kind: "outcome"; withinMs?: number }
  /** Until the run has ended or asks, with its result in the outbox; who takes the result is not waited for. */
  | { kind: "settled" };

/** What a door answers; refusals are thrown. */
export type Answer =
  /** Stored, and on its way: the outcome comes later. */
  | { kind: "stored"; jobId: string }
  /** The result event itself, as structured JSON: there is no other target. */
  | { kind: "reply"; event: string }
  /** The result was handed to its target, or refused by it for good. */
  | { kind: "delivered" }
  /** The run has ended or asks, and its result is in the outbox. */
  | { kind: "settled" };

export type ToWait = { kind: "wait"; runId: string; jobId: string };

export type OutcomesOptions = {
  db: Database;
  worker: Worker;
  /** Absent: the answer to the caller is the delivery. */
  deliverer: Deliverer | undefined;
  sinkDeadlineMs: number;
  /** How often a run that another process has in hand is looked at. */
  lookEveryMs?: number;
};

/** Waits with callers for what comes of their runs, whichever process works on them. */
export class Outcomes {
  readonly #options: OutcomesOptions;
  readonly #stopping = new AbortController();

  constructor(options: OutcomesOptions) {
    this.#options = options;
  }

  stopWaiting(): void {
    this.#stopping.abort();
  }

  /** Until the run has ended or asks, the caller has gone, or its time is over. */
  async wait({ runId, jobId }: ToWait, place: Place, waitFor: WaitFor, gone: AbortSignal): Promise<Answer> {
    const over = new AbortController();
    const limit = waitFor.kind === "outcome" ? waitFor.withinMs : undefined;
    const timer = limit === undefined ? undefined : setTimeout(() => over.abort(), limit);
    const signal = AbortSignal.any([gone, over.signal, this.#stopping.signal]);
    try {
      const result = await Promise.race([place.result, this.#watch(runId, signal)]);
      if (this.#stopping.signal.aborted && result === "over") throw stopping();
      if (result === "over") return { kind: "stored", jobId };
      if (result.kind === "postponed") throw result.error;
      if (result.kind === "elsewhere") return await this.stored({ runId, ...result }, waitFor);
      if (waitFor.kind === "settled") return { kind: "settled" };
      return await this.#answerSettled(result.settled);
    } finally {
      clearTimeout(timer);
      over.abort(); // ends the watch
    }
  }

  /** Looks for the end of a run that this process does not run itself; ends with the signal. */
  async #watch(
    runId: string,
    signal: AbortSignal,
  ): Promise<"over" | { kind: "elsewhere"; status: RunStatus; waitNo: number }> {
    const { db, worker, lookEveryMs = 300 } = this.#options;
    for (;;) {
      if (signal.aborted) return "over";
      await delay(lookEveryMs, undefined, { signal }).catch(() => undefined); // aborted: seen above
      if (signal.aborted) return "over";
      if (worker.isAtWork(runId)) continue;
      // A database that is away for a moment is no reason to send the caller away.
      const state = await runState(db, runId).catch(() => undefined);
      if (state && (FINAL.has(state.status) || state.status === "waiting"))
        return { kind: "elsewhere", ...state };
    }
  }

  async #answerSettled(settled: { eventId: string; event: string }): Promise<Answer> {
    const { deliverer, sinkDeadlineMs } = this.#options;
    if (deliverer === undefined) return { kind: "reply", event: settled.event };
    return delivered(await deliverer.whenDone(settled.eventId, sinkDeadlineMs));
  }

  /** The answer of a run that has ended, or asks. */
  async stored(run: StoredOutcome, waitFor: WaitFor): Promise<Answer> {
    if (waitFor.kind === "settled") return { kind: "settled" }; // one statement ends a run and fills the outbox
    const { db, deliverer, sinkDeadlineMs, lookEveryMs = 300 } = this.#options;
    const eventId = outcomeIdOf(run);
    const until = performance.now() + sinkDeadlineMs;
    for (;;) {
      const stored = await storedEvent(db, eventId);
      if (stored === undefined) throw new AgentError("internal", "a settled run has no event");
      if (deliverer === undefined) return { kind: "reply", event: stored.event };
      if (stored.state !== "pending" || performance.now() > until) return delivered(stored.state);
      await delay(lookEveryMs);
    }
  }
}

function stopping(): AgentError {
  return new AgentError("shutting_down", "this process is stopping: the run goes on elsewhere", {
    retryAfterSeconds: 1,
  });
}

function delivered(state: DeliveryState): Answer {
  if (state !== "pending") return { kind: "delivered" };
  throw new AgentError("sink_unavailable", "the result is stored; the sink has not taken it yet", {
    retryAfterSeconds: 10,
  });
}

export type StoredOutcome = { runId: string; status: RunStatus; waitNo: number };

export function outcomeIdOf({ runId, status, waitNo }: StoredOutcome): string {
  return outcomeEventId(runId, status === "waiting" ? "interrupted" : finalKind(status), waitNo);
}

function finalKind(status: RunStatus): "completed" | "failed" | "cancelled" {
  if (status === "completed" || status === "failed" || status === "cancelled") return status;
  throw new AgentError("internal", `a ${status} run has no outcome`);
}
