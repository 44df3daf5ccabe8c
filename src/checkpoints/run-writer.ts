import { AgentError } from "../errors/agent-error.ts";
import { crashPoint } from "../lifetime/crash-point.ts";
import { checkpointMetrics } from "../observability/metrics.ts";
import type { Database } from "../postgres/database.ts";
import { type CheckpointRows, carried, noting, valuesOf } from "./carried.ts";
import { FENCE } from "./fence.ts";

/**
 * What follows the fence in a statement: further CTEs, then what it selects, a row if the fence holds.
 * `isResult`: it stores what a step came to, and what the run has used up to then stands beside it.
 */
export type Fenced = { name: string; rest: string; isResult?: true };

/** A step that takes longer shows its beginning to those who look, and to the next attempt. */
const HELD_AT_MOST_MS = 200;

/**
 * Every write of one attempt of a run: one statement that first checks the lease, and that takes the
 * checkpoints along that were made since the last one. A checkpoint by itself says nothing that the results
 * of the step before it do not say, so it need not be written before something is done that builds on it.
 */
export class RunWriter {
  /** Checkpoints that are committed. */
  written = 0;
  /** The run's newest checkpoint of its own graph: there stands what the run has used. */
  newest: { threadId: string; id: string } | undefined;
  readonly #db: Database;
  readonly run: Readonly<{ runId: string; attempt: number }>;
  readonly #spent: () => object | undefined;
  #held: CheckpointRows[] = [];
  #carrying: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `spent` goes into the metadata of the newest checkpoint that goes with a result: what was used up to then. */
  constructor(
    db: Database,
    { runId, attempt }: { runId: string; attempt: number },
    spent: () => object | undefined = () => undefined,
  ) {
    this.#db = db;
    this.run = { runId, attempt };
    this.#spent = spent;
  }

  /** To be written with whatever is written next, or by itself in a moment. */
  hold(checkpoint: CheckpointRows): void {
    this.#held.push(checkpoint);
    if (checkpoint.ns === "") this.newest = checkpoint;
    // A failure here is nobody's: what is held goes with the next write, which says so if the lease is lost.
    this.#timer ??= setTimeout(() => void this.flush().catch(() => undefined), HELD_AT_MOST_MS).unref();
  }

  holds(checkpointId: string): CheckpointRows | undefined {
    return this.#held.find(({ id }) => id === checkpointId);
  }

  async write<Row extends object>(
    { name, rest, isResult }: Fenced,
    values: readonly unknown[],
  ): Promise<Row[]> {
    // A result is worth nothing without the checkpoint of its task: who carries that goes first. No
    // function of its own: between its answer and the taking, another could begin.
    while (this.#carrying !== undefined) await this.#carrying;
    const all = [this.run.runId, this.run.attempt, ...values];
    const spent = isResult ? this.#spent() : undefined;
    const taken = this.#take(spent);
    if (taken === undefined) return await this.#writeAlone<Row>(name, rest, all, spent);
    const text = `with ${FENCE}, ${carried("fence", all.length)}${rest}`;
    const writing = this.#db.query<Row>(`${name}-carrying`, text, [...all, ...taken.values]);
    this.#carrying = settled(writing).then(() => {
      this.#carrying = undefined;
    });
    const rows = await writing.catch((error: unknown) => {
      this.#held.unshift(...taken.checkpoints);
      throw error;
    });
    leased(rows);
    taken.wereWritten();
    return rows;
  }

  async #writeAlone<Row extends object>(
    name: string,
    rest: string,
    all: readonly unknown[],
    spent: object | undefined,
  ): Promise<Row[]> {
    if (spent === undefined || this.newest === undefined)
      return leased(await this.#db.query<Row>(name, `with ${FENCE}${rest}`, all));
    const noted = [this.newest.threadId, this.newest.id, JSON.stringify({ spent })];
    const text = `with ${FENCE}, ${noting("fence", all.length)}${rest}`;
    return leased(await this.#db.query<Row>(`${name}-noting`, text, [...all, ...noted]));
  }

  /** Whoever is going to read them, or to end the attempt without a write, asks for it. */
  async flush(): Promise<void> {
    while (this.#carrying !== undefined) await this.#carrying;
    if (this.#held.length > 0) await this.write(ALONE, []);
  }

  /** What is held, for the statement that ends the run: the last of the attempt. */
  async takeOut(): Promise<Taken | undefined> {
    while (this.#carrying !== undefined) await this.#carrying;
    return this.#take(undefined);
  }

  #take(spent: object | undefined): Taken | undefined {
    this.letGo();
    const checkpoints = this.#held;
    if (checkpoints.length === 0) return undefined;
    this.#held = [];
    const { values, bytes } = valuesOf(checkpoints, spent);
    const wereWritten = () => {
      this.written += checkpoints.length;
      checkpointMetrics.wrote(checkpoints.length, bytes);
      crashPoint("checkpoint: written");
    };
    return { checkpoints, values, wereWritten };
  }

  /** No write of its own from here on. */
  letGo(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

export type Taken = {
  checkpoints: readonly CheckpointRows[];
  /** As `carried` wants them. */
  values: readonly unknown[];
  wereWritten(): void;
};

const ALONE: Fenced = { name: "saver-put", rest: " select 1 from fence" };

/** The fence gave no row: the lease is somebody else's. */
function leased<Row>(rows: Row[]): Row[] {
  if (rows.length === 0) throw new AgentError("lease_lost", "another process has taken this run over");
  return rows;
}

async function settled(work: Promise<unknown>): Promise<void> {
  await work.catch(() => undefined);
}
