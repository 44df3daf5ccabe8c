import { createHash } from "node:crypto";
import { crashPoint } from "../lifetime/crash-point.ts";
import { pause } from "../lifetime/pause.ts";
import { isDatabaseUnavailable } from "../postgres/failures.ts";
import type { Fenced, RunWriter } from "./run-writer.ts";

/** Names one call of a run: where it stands in the graph, which of several there, and what it does. */
export type JournalKey = {
  task: string;
  slot: number;
  digest: string;
  /** For people who look: no part of what names the call. */
  tool?: string;
};

/** `unknown`: it was begun and did not end, so nobody can say whether it took effect. */
export type Found = { state: "fresh" } | { state: "done"; outcome: string } | { state: "unknown" };

type Row = { state: "intent" | "done" | null; outcome: string | null };

/**
 * What the tool calls of one attempt did, kept so that no later attempt does it again. A worker that was
 * taken over gets lease_lost before it does anything. The checkpoint that a call's task began from is written
 * along with the call: made anew it would have another id, and its tasks and calls other names.
 */
export class Journal {
  readonly #statements: RunWriter;
  readonly #open = new Set<Promise<unknown>>();

  constructor(statements: RunWriter) {
    this.#statements = statements;
  }

  /** Before a call that changes something: what is known of it, and from now on that it was begun. */
  async begin(key: JournalKey): Promise<Found> {
    crashPoint("journal: nothing written");
    const found = foundIn(await this.#ask(BEGIN, key, key.tool ?? null));
    crashPoint("journal: intent written");
    return found;
  }

  /** Before a call that only reads. The first attempt has nobody before it whose outcome it could find. */
  async find(key: JournalKey): Promise<Found> {
    if (this.#statements.run.attempt === 1) {
      await this.#statements.flush(); // the call's name hangs on its task, and that on the checkpoint
      return { state: "fresh" };
    }
    const found = foundIn(await this.#ask(FIND, key));
    return found.state === "done" ? found : { state: "fresh" };
  }

  /**
   * After the call. Tried again while the database is away: the effect has happened, and what is not
   * written down now is unknown for ever.
   */
  async finish(key: JournalKey, outcome: string): Promise<void> {
    crashPoint("journal: done, not written");
    for (const wait of [...FINISH_WAITS_MS, undefined]) {
      try {
        await this.#ask(FINISH, key, outcome, key.tool ?? null);
        break;
      } catch (error) {
        if (wait === undefined || !isDatabaseUnavailable(error)) throw error;
        await pause(wait);
      }
    }
    crashPoint("journal: done written");
  }

  /** Takes the intent back: the call was begun, and it is certain that nothing came of it. */
  async withdraw(key: JournalKey): Promise<void> {
    await this.#ask(WITHDRAW, key);
  }

  /** The same for every attempt of the call, and for no other call. */
  idempotencyKey({ task, slot, digest }: JournalKey): string {
    const call = createHash("sha256").update(JSON.stringify([task, slot, digest]));
    return `${this.#statements.run.runId}:${call.digest("hex").slice(0, 32)}`;
  }

  /** Counts the call as open until it has ended. */
  async during<T>(call: Promise<T>): Promise<T> {
    this.#open.add(call);
    try {
      return await call;
    } finally {
      this.#open.delete(call);
    }
  }

  /** Waits for the calls that an abort left to end by themselves, so that the next attempt knows of them. */
  async quiet(mostMs: number): Promise<void> {
    if (this.#open.size > 0) await Promise.race([Promise.allSettled(this.#open), pause(mostMs)]);
  }

  async #ask(statement: Fenced, key: JournalKey, ...more: (string | null)[]): Promise<Row> {
    const { task, slot, digest } = key;
    const [row] = await this.#statements.write<Row>(statement, [task, slot, digest, ...more]);
    return row ?? { state: null, outcome: null };
  }
}

function foundIn({ state, outcome }: Row): Found {
  if (state === null) return { state: "fresh" };
  return state === "done" ? { state, outcome: outcome ?? "" } : { state: "unknown" };
}

/** A restart of Postgres takes less. */
const FINISH_WAITS_MS = [100, 300, 1000, 2000, 4000, 8000];

// Whatever an earlier attempt wrote it committed before the takeover, which is before our snapshot.
const KNOWN = `known as (
  select state, outcome from journal where run_id = $1 and task = $3 and slot = $4 and digest = $5)`;

const BEGIN: Fenced = {
  name: "journal-begin",
  rest: `, ${KNOWN}, written as (
    insert into journal (run_id, task, slot, digest, state, tool)
    select $1, $3, $4, $5, 'intent', $6 from fence
    on conflict do nothing)
  select known.state, known.outcome from fence left join known on true`,
};

const FIND: Fenced = {
  name: "journal-find",
  rest: `, ${KNOWN} select known.state, known.outcome from fence left join known on true`,
};

const FINISH: Fenced = {
  name: "journal-finish",
  rest: `, written as (
    insert into journal (run_id, task, slot, digest, state, outcome, tool, begun_at, done_at)
    select $1, $3, $4, $5, 'done', $6, $7, null, clock_timestamp() from fence
    on conflict (run_id, task, slot, digest)
      do update set state = excluded.state, outcome = excluded.outcome, done_at = excluded.done_at where journal.state = 'intent')
  select 'done' as state, null as outcome from fence`,
};

const WITHDRAW: Fenced = {
  name: "journal-withdraw",
  rest: `, withdrawn as (
    delete from journal using fence
     where run_id = $1 and task = $3 and slot = $4 and digest = $5 and state = 'intent')
  select null as state, null as outcome from fence`,
};
