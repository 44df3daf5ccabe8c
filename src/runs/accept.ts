import { definitionHash } from "../agents/definition-hash.ts";
import type { ExecuteRequest } from "../events/commands.ts";
import { uuidV7 } from "../events/ids.ts";
import type { Queryable } from "../postgres/database.ts";
import type { Caller } from "./owner.ts";
import {
  type Accepted,
  type AcceptInput,
  type AcceptLimits,
  acceptRun,
  DefinitionNotStored,
  storeDefinitions,
} from "./repository.ts";
import type { ClaimedRun, StoredRequest } from "./run.ts";

/** An execute event that passed the door's checks. */
export type ExecuteSubmission = {
  source: string;
  eventId: string;
  jobId: string;
  request: ExecuteRequest;
  traceparent: string;
  /** Who sends it, where the door tells callers apart. */
  caller?: Caller | undefined;
  /** It came by NATS: its results go there too. */
  toNats?: boolean | undefined;
};

/** A definition that the operator gave a name, as it is now: the run keeps what it got. */
export type FindAgent = (reference: string) => { hash: string; body: unknown } | undefined;

export type AcceptedRun = { accepted: Accepted; request: StoredRequest };

/** How many hashes a process remembers: 100 bytes each. */
const REMEMBERED = 10_000;

/** Stores events as runs. A definition's body crosses the wire only when its hash is not known to be stored. */
export class Acceptor {
  readonly limits: AcceptLimits;
  readonly #stored = new Set<string>();
  readonly #findAgent: FindAgent;

  constructor(limits: AcceptLimits, findAgent: FindAgent = () => undefined) {
    this.limits = limits;
    this.#findAgent = findAgent;
  }

  async accept(db: Queryable, submission: ExecuteSubmission, mayStart: boolean): Promise<AcceptedRun> {
    const { hash, body } = this.#definitionOf(submission);
    const known = hash !== null && this.#stored.has(hash);
    const definition = hash === null || known ? null : JSON.stringify(body);
    const run = await this.#accept(db, submission, { hash, definition }, mayStart).catch((error: unknown) => {
      // Deleted by the retention of some process since we remembered it.
      if (!(error instanceof DefinitionNotStored)) throw error;
      return this.#accept(db, submission, { hash, definition: JSON.stringify(body) }, mayStart);
    });
    if (hash !== null && run.accepted.isNew) this.#remember(hash);
    return run;
  }

  /**
   * All of them inside one transaction, or none. Locks are taken in one order by every batch:
   * definitions by hash, then jobs by id; of one job the events go in as they came.
   */
  async acceptAll(tx: Queryable, submissions: readonly ExecuteSubmission[]): Promise<void> {
    // Found once: between two looks the operator may mount another version.
    const found = new Map(submissions.map((each) => [each, this.#definitionOf(each)] as const));
    const definitions = new Map<string, string>();
    for (const { hash, body } of found.values()) {
      if (hash !== null) definitions.set(hash, JSON.stringify(body));
    }
    await storeDefinitions(tx, definitions);
    const ordered = submissions.toSorted((a, b) => (a.jobId < b.jobId ? -1 : a.jobId > b.jobId ? 1 : 0));
    for (const submission of ordered) {
      const hash = found.get(submission)?.hash ?? null;
      await this.#accept(tx, submission, { hash, definition: null }, false);
    }
  }

  async #accept(
    db: Queryable,
    submission: ExecuteSubmission,
    { hash, definition }: { hash: string | null; definition: string | null },
    mayStart: boolean,
  ): Promise<AcceptedRun> {
    const { agent_definition: _, trace_id: __, ...request } = submission.request;
    const input: AcceptInput = {
      source: submission.source,
      eventId: submission.eventId,
      runId: uuidV7(),
      jobId: submission.jobId,
      request,
      traceparent: submission.traceparent,
      definitionHash: hash,
      definition,
      namesAgent: hash === null && request.agent !== undefined,
      mayStart,
      caller: submission.caller,
      toNats: submission.toNats,
    };
    return { accepted: await acceptRun(db, input, this.limits), request };
  }

  #definitionOf({ request }: ExecuteSubmission): { hash: string | null; body: unknown } {
    const { agent_definition: body, agent } = request;
    if (body !== undefined) return { hash: definitionHash(body), body };
    return (typeof agent === "string" && this.#findAgent(agent)) || { hash: null, body: undefined };
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
  const { runId, jobId, seq, attempt, waitNo, definitionHash: hash, headCheckpointId } = accepted;
  const { eventId, traceparent } = submission;
  return {
    runId,
    jobId,
    seq,
    attempt,
    waitNo,
    failures: 0,
    eventId,
    request,
    definitionHash: hash,
    headCheckpointId,
    traceparent,
  };
}
