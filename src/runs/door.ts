import { setTimeout as delay } from "node:timers/promises";
import type { Deliverer } from "../delivery/deliverer.ts";
import { alsoDeliverTo, type DeliveryState, storedEvent } from "../delivery/outbox.ts";
import { AgentError } from "../errors/agent-error.ts";
import { uuidV7 } from "../events/ids.ts";
import { outcomeEventId } from "../events/outgoing.ts";
import { crashPoint } from "../lifetime/crash-point.ts";
import { acceptEvent, noteDecision } from "../observability/event-spans.ts";
import type { Logger } from "../observability/logger.ts";
import { traceIdOf } from "../observability/traceparent.ts";
import type { Database } from "../postgres/database.ts";
import { type Acceptor, claimedRun, type ExecuteSubmission } from "./accept.ts";
import { type CancelRequest, type CancelResult, cancelRuns } from "./cancel.ts";
import { type Decided, type DecideRequest, decide } from "./decide.ts";
import type { Caller } from "./owner.ts";
import { runState } from "./repository.ts";
import { type Retried, type RetryRequest, retryRun } from "./retry.ts";
import { FINAL, type RunStatus } from "./run.ts";
import type { Sender } from "./settle.ts";
import type { Place, Waiters } from "./waiters.ts";
import { workWhileDue } from "./wake.ts";
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

type ToWait = { kind: "wait"; runId: string; jobId: string };

export type DoorOptions = {
  db: Database;
  acceptor: Acceptor;
  worker: Worker;
  waiters: Waiters;
  sender: Sender;
  /** Absent: the answer to the caller is the delivery. */
  deliverer: Deliverer | undefined;
  sinkDeadlineMs: number;
  log?: Logger;
  /** How often a run that another process has in hand is looked at. */
  lookEveryMs?: number;
  /** What else this process has in hand, so that whoever woke it holds on. */
  alsoAtWork?: () => number;
};

/** Where events become runs and runs become answers, whatever way they came in. */
export class Door {
  readonly #options: DoorOptions;
  readonly #stopping = new AbortController();

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  /** Sends away whoever still waits: their runs go on elsewhere. */
  stopWaiting(): void {
    this.#stopping.abort();
  }

  /** `gone` aborts when the caller goes away: that changes nothing but the wait. */
  async submit(
    submission: ExecuteSubmission,
    waitFor: WaitFor,
    gone: AbortSignal,
    /** Called once the event is stored, while its outcome is still to come. */
    isStored: () => void = () => undefined,
  ): Promise<Answer> {
    if (waitFor.kind === "stored") return await this.#store(submission, undefined, waitFor);
    const place = this.#options.waiters.take(submission);
    if (place === undefined) throw inProgress();
    try {
      const stored = await this.#store(submission, place, waitFor);
      isStored();
      return stored.kind === "wait" ? await this.#await(stored, place, waitFor, gone) : stored;
    } finally {
      place.leave();
    }
  }

  /** Stores the event and starts its run if there is room; says whether there is an outcome to wait for. */
  async #store(submission: ExecuteSubmission, place: undefined, waitFor: WaitFor): Promise<Answer>;
  async #store(submission: ExecuteSubmission, place: Place, waitFor: WaitFor): Promise<Answer | ToWait>;
  async #store(
    submission: ExecuteSubmission,
    place: Place | undefined,
    waitFor: WaitFor,
  ): Promise<Answer | ToWait> {
    const { db, worker, log } = this.#options;
    const reserved = worker.reserve();
    try {
      const startedAt = performance.now();
      const { accepted, request, traced } = await this.#accept(submission, reserved);
      const { runId, jobId, status, isNew } = accepted;
      const duration_ms = Math.round(performance.now() - startedAt);
      const keys = { job_id: jobId, run_id: runId, trace_id: traceIdOf(submission.traceparent) };
      log?.info(
        { ...keys, event_id: submission.eventId, is_new: isNew, status, duration_ms },
        "event accepted",
      );
      crashPoint("accept: stored, not started");
      const isOver = FINAL.has(status) || status === "waiting";
      if (!isNew && isOver) {
        // It ended before it was known that its results go there as well.
        if (submission.toNats) await alsoDeliverTo(db, outcomeIdOf(accepted), "nats");
        return await this.#storedAnswer(accepted, waitFor);
      }
      if (!isNew && place === undefined) throw inProgress();
      place?.bind(runId);
      if (isNew && status === "running") {
        worker.start(claimedRun(accepted, traced, request), submission.request.agent_definition);
      } else if (isNew) {
        worker.wake();
      }
      // A job that waits for a person may wait for days: nobody holds a connection for that.
      if (place === undefined || accepted.behindWaiting) return { kind: "stored", jobId };
      return { kind: "wait", runId, jobId };
    } finally {
      if (reserved) worker.giveBack();
    }
  }

  /** What follows goes on in the trace of the acceptance. */
  async #accept(submission: ExecuteSubmission, mayStart: boolean) {
    const { db, acceptor, sender } = this.#options;
    const names = { ...submission, type: `${sender.prefix}.execute` };
    return await acceptEvent(names, submission.traceparent, async (traceparent) => {
      const traced = { ...submission, traceparent };
      return { traced, ...(await acceptor.accept(db, traced, mayStart)) };
    });
  }

  /** Ends runs of a job, wherever they are at work; the caller may wait for the end of the newest of them. */
  async cancel(request: CancelRequest, waitFor: WaitFor, gone: AbortSignal): Promise<Answer> {
    const { waiters } = this.#options;
    const place = waitFor.kind === "stored" ? undefined : waiters.take(eventKey(request));
    if (place === undefined && waitFor.kind !== "stored") throw inProgress();
    try {
      const { touched } = await this.requestCancel(request, (runId) => place?.bind(runId));
      if (touched === undefined) return { kind: "delivered" }; // finished before: nothing to end
      const { runId } = touched;
      if (place === undefined) return { kind: "stored", jobId: request.jobId };
      return await this.#await({ kind: "wait", runId, jobId: request.jobId }, place, waitFor, gone);
    } finally {
      place?.leave();
    }
  }

  /** Hands decisions to a run that waits; the last one that was open lets it go on, and waits for its outcome. */
  async resume(request: DecideRequest, waitFor: WaitFor, gone: AbortSignal): Promise<Answer> {
    const { waiters } = this.#options;
    const place = waitFor.kind === "stored" ? undefined : waiters.take(eventKey(request));
    if (place === undefined && waitFor.kind !== "stored") throw inProgress();
    try {
      const decided = await this.requestResume(request, (runId) => place?.bind(runId));
      const { kind, runId, status } = decided;
      if (kind === "open" || kind === "nothing") return { kind: "delivered" };
      if (decided.byGuest) return { kind: "stored", jobId: request.jobId };
      if (kind === "copy" && (FINAL.has(status) || status === "waiting"))
        return await this.#storedAnswer(decided, waitFor);
      if (place === undefined) return { kind: "stored", jobId: request.jobId };
      return await this.#await({ kind: "wait", runId, jobId: request.jobId }, place, waitFor, gone);
    } finally {
      place?.leave();
    }
  }

  /** The decisions alone, for people who look at the job afterwards. */
  async requestResume(
    request: DecideRequest,
    touches: (runId: string) => void = () => undefined,
  ): Promise<Decided> {
    const startTime = new Date();
    const decided = await decide(this.#options.db, request);
    crashPoint("decision: committed, not told");
    const { runId, traceparent = null } = decided;
    const isTaken = decided.kind === "released" || decided.kind === "open";
    if (isTaken) noteDecision({ runId, traceparent }, request.jobId, startTime);
    const keys = { job_id: request.jobId, run_id: runId, trace_id: traceIdOf(traceparent) };
    this.#options.log?.info({ ...keys, decided: decided.kind }, "decision taken");
    touches(decided.runId);
    if (decided.kind === "released") this.#options.worker.wake();
    return decided;
  }

  /** A new run of what a failed one was asked. */
  async retry(request: RetryRequest): Promise<Retried> {
    const { db, acceptor, worker } = this.#options;
    const retried = await retryRun(db, request, acceptor.limits);
    crashPoint("retry: committed, not started");
    worker.wake();
    return retried;
  }

  /** The request alone, for people who look at the job afterwards. */
  async requestCancel(
    request: CancelRequest,
    touches: (runId: string) => void = () => undefined,
  ): Promise<CancelResult> {
    const { db, sender, worker } = this.#options;
    const result = await cancelRuns(db, request, sender);
    crashPoint("cancel: committed, not announced");
    this.#options.log?.info({ job_id: request.jobId, run_id: result.touched?.runId }, "cancel taken");
    if (result.touched) touches(result.touched.runId);
    for (const settled of result.settled) worker.announce(settled);
    worker.lookForCancels();
    return result;
  }

  /** For a service that is woken now and then: does what is due, and says when nothing more is. */
  async workWhileDue(withinMs: number, gone: AbortSignal): Promise<void> {
    const { db, worker, deliverer } = this.#options;
    const wake = () => {
      worker.wake();
      deliverer?.wake();
    };
    const { alsoAtWork = () => 0 } = this.#options;
    const atWork = () => worker.activeRuns + (deliverer?.underWay ?? 0) + alsoAtWork();
    await workWhileDue({ db, wake, atWork, withinMs, gone });
  }

  /** All of it or nothing, in one transaction; nobody waits for a batch. */
  async submitAll(submissions: readonly ExecuteSubmission[]): Promise<void> {
    const { db, acceptor, worker, sender } = this.#options;
    const type = `${sender.prefix}.execute`;
    const traced = await Promise.all(
      submissions.map((each) =>
        acceptEvent({ ...each, type }, each.traceparent, async (traceparent) => ({ ...each, traceparent })),
      ),
    );
    await db.transaction(async (tx) => {
      await acceptor.acceptAll(tx, traced);
      crashPoint("batch: stored, not committed");
    });
    crashPoint("batch: committed, not started");
    worker.wake();
  }

  async #await({ runId, jobId }: ToWait, place: Place, waitFor: WaitFor, gone: AbortSignal): Promise<Answer> {
    const over = new AbortController();
    const limit = waitFor.kind === "outcome" ? waitFor.withinMs : undefined;
    const timer = limit === undefined ? undefined : setTimeout(() => over.abort(), limit);
    const signal = AbortSignal.any([gone, over.signal, this.#stopping.signal]);
    try {
      const result = await Promise.race([place.result, this.#watch(runId, signal)]);
      if (this.#stopping.signal.aborted && result === "over") throw stopping();
      if (result === "over") return { kind: "stored", jobId };
      if (result.kind === "postponed") throw result.error;
      if (result.kind === "elsewhere") return await this.#storedAnswer({ runId, ...result }, waitFor);
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

  async #storedAnswer(run: StoredOutcome, waitFor: WaitFor): Promise<Answer> {
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

/** A request by hand has no id: each is one of its own. */
function eventKey({ event, caller }: Pick<CancelRequest, "event" | "caller">): {
  source: string;
  eventId: string;
  caller: Caller | undefined;
} {
  return { source: "", eventId: uuidV7(), ...event, caller };
}

function stopping(): AgentError {
  return new AgentError("shutting_down", "this process is stopping: the run goes on elsewhere", {
    retryAfterSeconds: 1,
  });
}

function inProgress(): AgentError {
  return new AgentError(
    "duplicate_in_progress",
    "this event is being worked on: come again for the outcome",
    {
      retryAfterSeconds: 5,
    },
  );
}

function delivered(state: DeliveryState): Answer {
  if (state !== "pending") return { kind: "delivered" };
  throw new AgentError("sink_unavailable", "the result is stored; the sink has not taken it yet", {
    retryAfterSeconds: 10,
  });
}

type StoredOutcome = { runId: string; status: RunStatus; waitNo: number };

function outcomeIdOf({ runId, status, waitNo }: StoredOutcome): string {
  return outcomeEventId(runId, status === "waiting" ? "interrupted" : finalKind(status), waitNo);
}

function finalKind(status: RunStatus): "completed" | "failed" | "cancelled" {
  if (status === "completed" || status === "failed" || status === "cancelled") return status;
  throw new AgentError("internal", `a ${status} run has no outcome`);
}
