import { AgentError } from "../errors/agent-error.ts";
import { pause } from "../lifetime/pause.ts";
import { traceIdOf } from "../observability/traceparent.ts";
import type { Database } from "../postgres/database.ts";
import { isDatabaseUnavailable } from "../postgres/failures.ts";
import type { Postponed } from "./execute.ts";
import { NO_USAGE } from "./limits.ts";
import { forgiveFailures } from "./repository.ts";
import type { ClaimedRun, Outcome } from "./run.ts";

/** A stop is nobody's failure; an attempt that got on begins the count anew. */
export function failuresAfter(run: ClaimedRun, { error, gotOn }: Postponed): number {
  if (error.code === "shutting_down") return run.failures;
  return gotOn ? 1 : run.failures + 1;
}

export function exhausted(times: number, why: string): Outcome {
  const message = `the run was tried ${times} times and did not get on (${why})`;
  const error = new AgentError("attempts_exhausted", message);
  return { kind: "failed", data: { error: error.toWire(), usage: NO_USAGE }, usage: NO_USAGE };
}

/** A result that is there must not be lost to a database that is away: tried again while the run is ours. */
export async function whileLeased<T>(signal: AbortSignal, write: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await write();
    } catch (error) {
      const lost =
        signal.aborted && signal.reason instanceof AgentError && signal.reason.code === "lease_lost";
      if (lost || !isDatabaseUnavailable(error) || tries > 100) throw error;
      await pause(Math.min(100 * 2 ** tries, 2000));
    }
  }
}

/** An attempt that committed a step before it died was no failure: the count begins anew. */
export async function isForgiven(db: Database, run: ClaimedRun): Promise<boolean> {
  const { RunSaver } = await import("../checkpoints/run-saver.ts");
  if ((await new RunSaver(db, run).lastAttemptThatWrote()) !== run.attempt - 1) return false;
  await forgiveFailures(db, run);
  run.failures = 0;
  return true;
}

/** What joins the lines of a run, and those with its trace. */
export function keysOf({ jobId, runId, traceparent }: ClaimedRun) {
  return { job_id: jobId, run_id: runId, trace_id: traceIdOf(traceparent) };
}
