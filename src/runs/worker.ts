import { AgentError } from "../errors/agent-error.ts";
import { crashPoint } from "../lifetime/crash-point.ts";
import { pause } from "../lifetime/pause.ts";
import { Poller } from "../lifetime/poller.ts";
import { inAttempt } from "../observability/attempt-span.ts";
import type { Logger } from "../observability/logger.ts";
import { attemptMetrics, runMetrics } from "../observability/metrics.ts";
import { exhausted, failuresAfter, isForgiven, keysOf, whileLeased } from "./attempt.ts";
import { CANCELLED, Cancelled, cancelledOutcome, reasonToEnd } from "./cancel.ts";
import { CancelWatch } from "./cancel-watch.ts";
import { claimRuns } from "./claim.ts";
import { decideOverdue } from "./deadlines.ts";
import { executeRun, type Postponed, type RunTools } from "./execute.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { postponeRun } from "./repository.ts";
import type { ClaimedRun, Outcome } from "./run.ts";
import { type Sender, type Settled, settleRun } from "./settle.ts";
import { type Interrupted, settleWaiting } from "./settle-waiting.ts";
import { lastFrames } from "./stream-end.ts";
import type { Waiters } from "./waiters.ts";

export type WorkerOptions = RunTools & {
  /** Names this process in `leased_by`, for people who look. */
  name: string;
  leaseSeconds: number;
  maxConcurrent: number;
  maxAttempts: number;
  sender: Sender;
  waiters: Waiters;
  deliver: (settled: Settled) => void;
  log: Logger;
};

/** Runs what this process has claimed, and claims what is due, up to its number of places. */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #leases: LeaseKeeper;
  readonly #active = new Map<string, Promise<void>>();
  /** Runs at work here that were there when two workers in a row died: one at a time. */
  readonly #suspects = new Set<string>();
  readonly #loop: Poller;
  readonly #cancels: CancelWatch;
  #reserved = 0;
  /** Some run was queued because there was no place here. */
  #turnedAway = false;
  /** It is being looked for runs that wait. */
  #isClaiming = false;
  #stopping = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { db, leaseSeconds, log } = options;
    this.#leases = new LeaseKeeper(db, leaseSeconds, (error) =>
      log.warn({ err: error }, "leases not renewed"),
    );
    this.#cancels = new CancelWatch(db, this.#leases, (error) =>
      log.warn({ err: error }, "cancel requests could not be read"),
    );
    this.#loop = new Poller(
      () =>
        this.#claim().finally(() => {
          this.#isClaiming = false;
        }),
      (error) => log.warn({ err: error }, "no runs could be claimed"),
      1000,
    );
  }

  /** Keeps a place for a run that is being accepted; `start` uses it up, `giveBack` frees it. */
  reserve(): boolean {
    if (this.#freePlaces() <= 0) {
      this.#turnedAway = true;
      return false;
    }
    this.#reserved++;
    return true;
  }

  giveBack(): void {
    this.#reserved--;
  }

  /** `body` is the run's definition where the caller has it at hand. */
  start(run: ClaimedRun, body: unknown): void {
    const abort = this.#leases.hold(run);
    if (typeof run.endReason === "string") abort.abort(new Cancelled(run.endReason || CANCELLED));
    if (run.wasSilent && run.failures > 1) this.#suspects.add(run.runId);
    attemptMetrics.began();
    const work = inAttempt(run, () => this.#work(run, body, abort))
      .then(attemptMetrics.ended, (error) => this.#abandon(run, error))
      .finally(() => {
        this.#leases.letGo(run);
        this.#active.delete(run.runId);
        this.#suspects.delete(run.runId);
        // A place is free. Asking who waits for it is a query, so only when someone may.
        if (!this.#turnedAway) return;
        this.#turnedAway = false;
        this.#isClaiming = true;
        this.#loop.wake();
      });
    this.#active.set(run.runId, work);
  }

  /** Its end could not be written: it is somebody else's by now, or its lease will run out. */
  #abandon(run: ClaimedRun, error: unknown): void {
    const isLost = error instanceof AgentError && error.code === "lease_lost";
    attemptMetrics.ended(isLost ? "lost" : "abandoned");
    if (isLost) this.#options.log.warn(keysOf(run), "lease lost: the run goes on elsewhere");
    else this.#options.log.error({ err: error, ...keysOf(run) }, "run abandoned");
  }

  /** A run has ended: whoever waits is told, its event is sent off, and the next of its job may start. */
  announce(settled: Settled): void {
    const { waiters, deliver, streams } = this.#options;
    for (const frame of lastFrames(settled)) streams.append(settled.jobId, frame);
    waiters.tell(settled.runId, { kind: "settled", settled });
    deliver(settled);
    if (settled.jobHasQueued) this.#loop.wake();
  }

  lookForCancels(): void {
    this.#cancels.look();
  }

  isAtWork(runId: string): boolean {
    return this.#active.has(runId);
  }

  get activeRuns(): number {
    return this.#active.size;
  }

  /**
   * Places for work that is to be fetched: none while runs that are stored may wait for one, such as those
   * of a process that died. They are older than whatever is fetched.
   */
  get sparePlaces(): number {
    return this.#turnedAway || this.#isClaiming ? 0 : this.#freePlaces();
  }

  wake(): void {
    this.#loop.wake();
  }

  /** No new runs; those at work may end within the grace, then they go back to the queue. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    await this.#loop.stop();
    const ended = Promise.all(this.#active.values());
    await Promise.race([ended, pause(graceMs)]);
    this.#leases.abortAll(
      new AgentError("shutting_down", "this process is stopping", { retryAfterSeconds: 1 }),
    );
    await Promise.race([ended, pause(2000)]);
    await this.#cancels.stop();
    this.#leases.stop();
  }

  #freePlaces(): number {
    if (this.#stopping) return 0;
    return this.#options.maxConcurrent - this.#active.size - this.#reserved;
  }

  async #claim(): Promise<boolean> {
    const most = this.#freePlaces();
    if (most <= 0) {
      this.#turnedAway = true;
      return false;
    }
    const { db, name, leaseSeconds } = this.#options;
    const runs = await claimRuns(db, name, leaseSeconds, most, this.#suspects.size === 0);
    if (runs.length > 0) crashPoint("claim: leased, not started");
    for (const run of runs) {
      if (run.wasSilent) runMetrics.takenOver();
      this.start(run, undefined);
    }
    if (runs.length === most) this.#turnedAway = true;
    const released = await decideOverdue(db);
    return released || runs.length > 0;
  }

  /** Says how the attempt ended. */
  async #work(run: ClaimedRun, body: unknown, abort: AbortController): Promise<AttemptEnd> {
    const startedAt = performance.now();
    this.#options.log.info({ ...keysOf(run), attempt: run.attempt }, "run started");
    const attempted = await this.#attempt(run, body, abort);
    const ended =
      attempted.kind === "postponed" ? await this.#postpone(run, attempted, abort.signal) : attempted;
    if (ended === "postponed") return "postponed";
    const { db, sender, log } = this.#options;
    crashPoint("settle: ended, not settled");
    const settled = await whileLeased(abort.signal, () =>
      ended.kind === "interrupted"
        ? settleWaiting(db, run, ended, sender)
        : settleRun(db, run, ended, sender),
    );
    crashPoint("settle: settled, not announced");
    const seconds = (performance.now() - startedAt) / 1000;
    runMetrics.settled(settled.kind, seconds);
    this.announce(settled);
    log.info(
      {
        ...keysOf(run),
        outcome: settled.kind,
        duration_ms: Math.round(seconds * 1000),
      },
      "run settled",
    );
    return settled.kind;
  }

  async #attempt(
    run: ClaimedRun,
    body: unknown,
    abort: AbortController,
  ): Promise<Outcome | Interrupted | Postponed> {
    const { maxAttempts } = this.#options;
    // Before anything of the run is looked at: reading its definition may be what kills.
    if (run.failures >= maxAttempts && !(await isForgiven(this.#options.db, run))) {
      return exhausted(run.failures, "the process that ran it died each time");
    }
    crashPoint("run: begins", run.jobId);
    const ended = await executeRun(run, body, this.#options, abort);
    if (ended.kind !== "postponed" || failuresAfter(run, ended) < maxAttempts) return ended;
    return exhausted(failuresAfter(run, ended), `last: ${ended.error.code}: ${ended.error.message}`);
  }

  /** Back to the queue; not a run that somebody wants to end, for the watch may miss one that fails so fast. */
  async #postpone(run: ClaimedRun, ended: Postponed, signal: AbortSignal): Promise<"postponed" | Outcome> {
    const { error, usage } = ended;
    const failures = failuresAfter(run, ended);
    const backOff = error.code === "shutting_down" ? 0 : 2 ** failures * (0.5 + Math.random() / 2);
    const delay = Math.max(error.retryAfterSeconds ?? 0, backOff);
    const { db, waiters, log } = this.#options;
    log.warn({ err: error, ...keysOf(run), delay_s: delay }, "run postponed");
    // Told first: it may be the database that is away, and whoever waits need not wait for that too.
    waiters.tell(run.runId, { kind: "postponed", error });
    crashPoint("postpone: told, not written");
    const isQueued = await whileLeased(signal, () => postponeRun(db, run, delay, failures));
    if (!isQueued) return cancelledOutcome(await reasonToEnd(db, run), usage);
    crashPoint("postpone: written");
    return "postponed";
  }
}

type AttemptEnd = Parameters<typeof attemptMetrics.ended>[0];
