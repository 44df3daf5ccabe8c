import { definitionHash } from "../agents/definition-hash.ts";
import type { ExecuteRequest } from "../events/commands.ts";
import { uuidV7 } from "../events/ids.ts";
import type { Queryable } from "../postgres/database.ts";
import {
  type Accepted,
  type AcceptInput,
  type AcceptLimits,
  acceptRun,
  DefinitionNotStored,
} from "./repository.ts";
import type { ClaimedRun, StoredRequest } from "./run.ts";

/** An execute event that passed the door's checks. */
export type ExecuteSubmission = {
  source: string;
  eventId: string;
  jobId: string;
  request: ExecuteRequest;
  traceparent: string;
};

/** How many hashes a process remembers: 100 bytes each. */
const REMEMBERED = 10_000;

/** Stores events as runs. A definition's body crosses the wire only when its hash is not known to be stored. */
export class Acceptor {
  readonly #limits: AcceptLimits;
  readonly #stored = new Set<string>();

  constructor(limits: AcceptLimits) {
    this.#limits = limits;
  }

  async accept(
    db: Queryable,
    submission: ExecuteSubmission,
    mayStart: boolean,
  ): Promise<{ accepted: Accepted; request: StoredRequest }> {
    const { agent_definition: body, trace_id: _, ...request } = submission.request;
    const hash = body === undefined ? null : definitionHash(body);
    const known = hash !== null && this.#stored.has(hash);
    const input: AcceptInput = {
      source: submission.source,
      eventId: submission.eventId,
      runId: uuidV7(),
      jobId: submission.jobId,
      request,
      traceparent: submission.traceparent,
      definitionHash: hash,
      definition: hash === null || known ? null : JSON.stringify(body),
      namesAgent: hash === null && request.agent !== undefined,
      mayStart,
    };
    const accepted = await this.#acceptWithBody(db, input, body);
    if (hash !== null) this.#remember(hash);
    return { accepted, request };
  }

  async #acceptWithBody(db: Queryable, input: AcceptInput, body: unknown): Promise<Accepted> {
    try {
      return await acceptRun(db, input, this.#limits);
    } catch (error) {
      // Deleted by the retention of some process since we remembered it.
      if (!(error instanceof DefinitionNotStored)) throw error;
      return await acceptRun(db, { ...input, definition: JSON.stringify(body) }, this.#limits);
    }
  }

  #remember(hash: string): void {
    if (this.#stored.size >= REMEMBERED) this.#stored.clear();
    this.#stored.add(hash);
  }
}

/** A run that accept_run has started for us: the lease is ours already. */
export function claimedRun(
  accepted: Accepted,
  submission: ExecuteSubmission,
  request: StoredRequest,
): ClaimedRun {
  const { runId, jobId, seq, attempt, definitionHash: hash, headCheckpointId } = accepted;
  const { eventId, traceparent } = submission;
  return {
    runId,
    jobId,
    seq,
    attempt,
    failures: 0,
    eventId,
    request,
    definitionHash: hash,
    headCheckpointId,
    traceparent,
  };
}
