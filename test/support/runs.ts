import { randomUUID } from "node:crypto";
import type { Database } from "../../src/postgres/database.ts";
import { acceptRun } from "../../src/runs/repository.ts";

/** A run in hand, as accept_run gives it. */
export async function aRun(
  db: Database,
  jobId: string = randomUUID(),
): Promise<{ runId: string; jobId: string }> {
  const runId = randomUUID();
  const event = {
    source: "tests",
    eventId: randomUUID(),
    runId,
    jobId,
    request: {},
    traceparent: "",
    definitionHash: "hash",
    definition: "{}",
    namesAgent: false,
    mayStart: true,
  };
  await acceptRun(db, event, { worker: "w", leaseSeconds: 30, maxQueued: 1000, maxQueuedOfJob: 1000 });
  return { runId, jobId };
}
