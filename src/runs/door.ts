import { alsoDeliverTo } from "../delivery/outbox.ts";
import { AgentError } from "../errors/agent-error.ts";
import { uuidV7 } from "../events/ids.ts";
import { crashPoint } from "../lifetime/crash-point.ts";
import { acceptEvent, noteDecision } from "../observability/event-spans.ts";
import type { Logger } from "../observability/logger.ts";
import { traceIdOf } from "../observability/traceparent.ts";
import { type Acceptor, claimedRun, type ExecuteSubmission } from "./accept.ts";
import { type CancelRequest, type CancelResult, cancelRuns } from "./cancel.ts";
import { type Decided, type DecideRequest, decide } from "./decide.ts";
import {
  type Answer,
  Outcomes,
  type OutcomesOptions,
  outcomeIdOf,
  type ToWait,
  type WaitFor,
} from "./outcomes.ts";
import type { Caller } from "./owner.ts";
import { type Retried, type RetryRequest, retryRun } from "./retry.ts";
import { FINAL } from "./run.ts";
import type { Sender } from "./settle.ts";
import type { Place, Waiters } from "./waiters.ts";
import { workWhileDue } from "./wake.ts";

export type DoorOptions = OutcomesOptions & {
  acceptor: Acceptor;
  waiters: Waiters;
  sender: Sender;
  log?: Logger;
  /** What else this process has in hand, so that whoever woke it holds on. */
  alsoAtWork?: () => number;
};

/** Where events become runs and runs become answers, whatever way they came in. */
export class Door {
  readonly #options: DoorOptions;
  readonly #outcomes: Outcomes;

  constructor(options: DoorOptions) {
    this.#options = options;
    this.#outcomes = new Outcomes(options);
  }

  /** Sends away whoever still waits: their runs go on elsewhere. */
  stopWaiting(): void {
    this.#outcomes.stopWaiting();
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
      return stored.kind === "wait" ? await this.#outcomes.wait(stored, place, waitFor, gone) : stored;
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
        return await this.#outcomes.stored(accepted, waitFor);
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
      return await this.#outcomes.wait({ kind: "wait", runId, jobId: request.jobId }, place, waitFor, gone);
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
        return await this.#outcomes.stored(decided, waitFor);
      if (place === undefined) return { kind: "stored", jobId: request.jobId };
      return await this.#outcomes.wait({ kind: "wait", runId, jobId: request.jobId }, place, waitFor, gone);
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
}

/** A request by hand has no id: each is one of its own. */
function eventKey({ event, caller }: Pick<CancelRequest, "event" | "caller">): {
  source: string;
  eventId: string;
  caller: Caller | undefined;
} {
  return { source: "", eventId: uuidV7(), ...event, caller };
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
