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

type Elsewhere = { kind: "elsewhere"; status: RunStatus; waitNo: number };

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
  readonly #waits = new Set<() => void>();
  #isStopping = false;

  constructor(options: OutcomesOptions) {
    this.#options = options;
  }

  stopWaiting(): void {
    this.#isStopping = true;
    for (const end of this.#waits) end();
  }

  /** Until the run has ended or asks, the caller has gone, or its time is over. */
  async wait({ runId, jobId }: ToWait, place: Place, waitFor: WaitFor, gone: AbortSignal): Promise<Answer> {
    // Every event passes here, and most waits end by their result: signals that are aborted at each end
    // cost more than these few callbacks.
    const over = this.#untilOver(waitFor.kind === "outcome" ? waitFor.withinMs : undefined, gone);
    const watch = this.#watch(runId);
    try {
      const result = await Promise.race([place.result, watch.found, over.promise]);
      if (result === "over") {
        if (this.#isStopping) throw stopping();
        return { kind: "stored", jobId };
      }
      if (result.kind === "postponed") throw result.error;
      if (result.kind === "elsewhere") return await this.stored({ runId, ...result }, waitFor);
      if (waitFor.kind === "settled") return { kind: "settled" };
      return await this.#answerSettled(result.settled);
    } finally {
      over.forget();
      watch.stop();
    }
  }

  /** The time is over, the caller has gone, or the process stops. */
  #untilOver(limitMs: number | undefined, gone: AbortSignal): { promise: Promise<"over">; forget(): void } {
    let end = () => {};
    const promise = new Promise<"over">((done) => {
      end = () => done("over");
    });
    const timer = limitMs === undefined ? undefined : setTimeout(end, limitMs);
    gone.addEventListener("abort", end);
    this.#waits.add(end);
    if (gone.aborted || this.#isStopping) end();
    const forget = () => {
      clearTimeout(timer);
      gone.removeEventListener("abort", end);
      this.#waits.delete(end);
    };
    return { promise, forget };
  }

  /** Looks for the end of a run that this process does not run itself. */
  #watch(runId: string): { found: Promise<Elsewhere>; stop(): void } {
    const { db, worker, lookEveryMs = 300 } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;
    const found = new Promise<Elsewhere>((done) => {
      const look = async () => {
        // A database that is away for a moment is no reason to send the caller away.
        const state = worker.isAtWork(runId) ? undefined : await runState(db, runId).catch(() => undefined);
        if (state && (FINAL.has(state.status) || state.status === "waiting")) {
          done({ kind: "elsewhere", ...state });
        } else if (!isOver) timer = setTimeout(look, lookEveryMs);
      };
      timer = setTimeout(look, lookEveryMs);
    });
    const stop = () => {
      isOver = true;
      clearTimeout(timer);
    };
    return { found, stop };
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
