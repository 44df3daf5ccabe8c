import { randomUUID } from "node:crypto";
import type { Database } from "../../src/postgres/database.ts";
import { type AcceptInput, acceptRun } from "../../src/runs/repository.ts";

/** What accept_run is told of an event: a run of a job of its own, unless `over` says otherwise. */
export function anEvent(over: Partial<AcceptInput> = {}): AcceptInput {
  return {
    source: "tests",
    eventId: randomUUID(),
    runId: randomUUID(),
    jobId: randomUUID(),
    request: {},
    traceparent: "",
    definitionHash: "hash",
    definition: "{}",
    namesAgent: false,
    mayStart: true,
    ...over,
  };
}

/** A run in hand, as accept_run gives it. */
export async function aRun(
  db: Database,
  jobId: string = randomUUID(),
): Promise<{ runId: string; jobId: string }> {
  const limits = { worker: "w", leaseSeconds: 30, maxQueued: 1000, maxQueuedOfJob: 1000 };
  const { runId } = await acceptRun(db, anEvent({ jobId }), limits);
  return { runId, jobId };
}
