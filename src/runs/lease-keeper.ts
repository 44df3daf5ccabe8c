import { AgentError } from "../errors/agent-error.ts";
import { attemptMetrics } from "../observability/metrics.ts";
import type { Database } from "../postgres/database.ts";
import { renewLeases } from "./repository.ts";

type Held = { runId: string; attempt: number; abort: AbortController; provedAt: number };

/** Prolongs all leases of this process in one statement, and aborts a run whose lease is gone. */
export class LeaseKeeper {
  readonly #db: Database;
  readonly #leaseSeconds: number;
  readonly #report: (error: unknown) => void;
  readonly #held = new Map<string, Held>();
  readonly #timer: NodeJS.Timeout;
  #renewing = false;

  constructor(db: Database, leaseSeconds: number, report: (error: unknown) => void) {
    this.#db = db;
    this.#leaseSeconds = leaseSeconds;
    this.#report = report;
    this.#timer = setInterval(() => void this.#renew(), (leaseSeconds * 1000) / 3).unref();
  }

  /** The controller that ends the run when its lease does; callers may abort it for reasons of their own. */
  hold(run: { runId: string; attempt: number }): AbortController {
    const abort = new AbortController();
    const { runId, attempt } = run;
    this.#held.set(runId, { runId, attempt, abort, provedAt: performance.now() });
    return abort;
  }

  letGo(run: { runId: string }): void {
    this.#held.delete(run.runId);
  }

  get heldRunIds(): string[] {
    return [...this.#held.keys()];
  }

  /** Ends one run for a reason of its own, if it is here. */
  abort(runId: string, reason: Error): void {
    this.#held.get(runId)?.abort.abort(reason);
  }

  abortAll(reason: AgentError): void {
    for (const { abort } of this.#held.values()) abort.abort(reason);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #renew(): Promise<void> {
    this.#abortExpired();
    // The last renewal still waits for a database that is away: another would wait behind it.
    if (this.#renewing || this.#held.size === 0) return;
    this.#renewing = true;
    const asked = [...this.#held.values()];
    const askedAt = performance.now();
    try {
      const kept = await renewLeases(this.#db, asked, this.#leaseSeconds);
      attemptMetrics.leasesRenewed("kept", kept.size);
      for (const held of asked) {
        if (kept.has(held.runId)) held.provedAt = askedAt;
        // A run that was let go meanwhile has settled: its lease is gone for a good reason.
        else if (this.#held.get(held.runId) === held) {
          attemptMetrics.leasesRenewed("lost", 1);
          held.abort.abort(lost());
        }
      }
    } catch (error) {
      attemptMetrics.leasesRenewed("failed", asked.length);
      this.#report(error);
    } finally {
      this.#renewing = false;
    }
  }

  /** Without proof for a whole lease the run may be someone else's by now. */
  #abortExpired(): void {
    const oldest = performance.now() - this.#leaseSeconds * 1000;
    for (const held of this.#held.values()) if (held.provedAt < oldest) held.abort.abort(lost());
  }
}

function lost(): AgentError {
  return new AgentError("lease_lost", "the lease ran out: another process may take the run over");
}
