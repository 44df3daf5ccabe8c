import type { RunnableConfig } from "@langchain/core/runnables";
import {
  type Checkpoint,
  type CheckpointMetadata,
  type CheckpointTuple,
  ERROR,
  type PendingWrite,
  WRITES_IDX_MAP,
} from "@langchain/langgraph-checkpoint";
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres";
import { crashPoint } from "../lifetime/crash-point.ts";
import { checkpointMetrics } from "../observability/metrics.ts";
import type { Database } from "../postgres/database.ts";
import { base64, sizeOf } from "./carried.ts";
import { RunWriter } from "./run-writer.ts";
import { ADD_WRITES, FORGET, REPLACE_WRITES } from "./saver-statements.ts";
import { asPgPool } from "./set-up.ts";

/**
 * Who writes: the run and the attempt that holds its lease. `goesOnFrom`: another run, which stopped
 * for good; this one goes on from its checkpoints until it has its own.
 */
export type Writer = { runId: string; attempt: number; jobId: string; goesOnFrom?: string | undefined };

/** The error, and the node it came from when that has an error handler. */
const ERROR_PREFIX = "__error_";

type ChannelVersions = Record<string, string | number>;

/**
 * The stock saver for one attempt of one run. Reading and the tables are the stock's; what differs:
 * every write checks the lease within its statement (a check before it would be a race) and says who wrote it,
 * checkpoints travel with the results that follow from them, and the run sees the thread as its last completed
 * turn left it.
 */
export class RunSaver extends PostgresSaver {
  /** What all writes of this attempt go through. */
  readonly statements: RunWriter;
  readonly #db: Database;
  readonly #writer: Writer;
  /** What LangGraph gets as the newest root checkpoint until this attempt has written one itself. */
  #base: CheckpointTuple | undefined;
  #wroteRoot = false;
  /** The newest root checkpoint, ours or the one we began from. */
  rootCheckpointId: string | undefined;

  /** Checkpoints that are being made, by id. */
  readonly #inTheMaking = new Map<string, Promise<void>>();
  readonly #onStep: () => void;
  readonly #usage: () => object | undefined;

  /** `usage` goes into the metadata of each checkpoint: the next attempt must know it. */
  constructor(
    db: Database,
    writer: Writer,
    onStep: () => void = () => undefined,
    usage: () => object | undefined = () => undefined,
  ) {
    super(asPgPool(db), undefined, { schema: db.schema });
    this.#db = db;
    this.#writer = writer;
    this.#onStep = onStep;
    this.#usage = usage;
    this.statements = new RunWriter(db, writer, usage);
  }

  /** Checkpoints that this attempt has committed, root and nested. */
  get writes(): number {
    return this.statements.written;
  }

  /** Begins from this checkpoint of the thread, or from nothing. */
  async beginFrom(checkpointId: string | undefined): Promise<CheckpointTuple | undefined> {
    if (checkpointId === undefined) return undefined;
    const thread = { thread_id: this.#writer.jobId, checkpoint_id: checkpointId };
    this.#base = await super.getTuple({ configurable: thread });
    this.rootCheckpointId = this.#base === undefined ? undefined : checkpointId;
    const { run_id } = (this.#base?.metadata ?? {}) as { run_id?: string };
    if (run_id === this.#writer.runId)
      this.statements.newest = { threadId: this.#writer.jobId, id: checkpointId };
    return this.#base;
  }

  /**
   * The checkpoint at which an earlier attempt of this run stopped. By attempt and step: checkpoint
   * ids follow the clocks of the processes that made them, and a clock may jump.
   */
  async newestOfThisRun(checkpointNs = ""): Promise<string | undefined> {
    const { jobId, runId, goesOnFrom } = this.#writer;
    const [row] = await this.#db.query<{ checkpoint_id: string }>(
      "saver-newest-of-run",
      `select checkpoint_id from checkpoints
        where thread_id = $1 and checkpoint_ns = $2 and metadata ->> 'run_id' in ($3, $4)
        order by metadata ->> 'run_id' = $3 desc, (metadata ->> 'attempt')::integer desc, (metadata ->> 'step')::integer desc nulls last,
                 checkpoint_id desc
        limit 1`,
      [jobId, checkpointNs, runId, goesOnFrom ?? runId],
    );
    return row?.checkpoint_id;
  }

  /** The newest attempt of this run that has committed anything. */
  async lastAttemptThatWrote(): Promise<number | undefined> {
    const [row] = await this.#db.query<{ attempt: number | null }>(
      "saver-last-attempt",
      `select max((metadata ->> 'attempt')::integer) as attempt from checkpoints
        where thread_id = $1 and metadata ->> 'run_id' = $2`,
      [this.#writer.jobId, this.#writer.runId],
    );
    return row?.attempt ?? undefined;
  }

  override async getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    const { checkpoint_id, checkpoint_ns = "" } = config.configurable ?? {};
    await this.statements.flush();
    if (checkpoint_id) return await super.getTuple(config);
    if (checkpoint_ns !== "") return await this.#nestedTuple(checkpoint_ns);
    if (!this.#wroteRoot) return this.#base;
    // Ours by id, not the newest by id: other clocks may have made "newer" ones.
    const ours = { thread_id: this.#writer.jobId, checkpoint_id: this.rootCheckpointId };
    return await super.getTuple({ configurable: ours });
  }

  /** Where a sub-graph goes on. One that keeps its state over the turns begins from another run's. */
  async #nestedTuple(checkpointNs: string): Promise<CheckpointTuple | undefined> {
    const own = await this.newestOfThisRun(checkpointNs);
    const thread = { thread_id: this.#writer.jobId, checkpoint_ns: checkpointNs };
    // A namespace with the id of a task in it belongs to this run alone.
    if (own === undefined && checkpointNs.includes(":")) return undefined;
    return await super.getTuple({ configurable: { ...thread, ...(own && { checkpoint_id: own }) } });
  }

  /** Unique to the writer: with the stock's integers two branches of a thread share blob rows. */
  override getNextVersion(current: number | undefined): number {
    const last = current === undefined ? 0 : Number(String(current).split(".", 1)[0]);
    const { runId, attempt } = this.#writer;
    const version: string = `${String(last + 1).padStart(20, "0")}.${runId}.${attempt}`;
    // Typed as a number in the base class, whose documentation allows strings; so do its tables.
    return version as unknown as number;
  }

  override async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<RunnableConfig> {
    const { thread_id, checkpoint_ns = "" } = config.configurable ?? {};
    const made = this.#make(config, checkpoint, metadata, newVersions);
    this.#inTheMaking.set(checkpoint.id, made);
    await made.finally(() => this.#inTheMaking.delete(checkpoint.id));
    // LangGraph uses no results that lie behind the newest checkpoint of a nested graph, so there it must be
    // written before anything goes on (langgraphjs #2667).
    if (checkpoint_ns !== "") await this.statements.flush();
    return { configurable: { thread_id, checkpoint_ns, checkpoint_id: checkpoint.id } };
  }

  async #make(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<void> {
    const { thread_id, checkpoint_ns = "", checkpoint_id } = config.configurable ?? {};
    const blobs = await this._dumpBlobs(thread_id, checkpoint_ns, checkpoint.channel_values, newVersions);
    const { runId, attempt } = this.#writer;
    if (metadata.source === "loop") this.#onStep(); // before the usage: it counts this step too
    const usage = this.#usage();
    const written: CheckpointMetadata & object = {
      ...metadata,
      ...{ run_id: runId, attempt, ...(usage && { usage }) },
    };
    crashPoint("checkpoint: made, not written");
    this.statements.hold({
      ...{ threadId: thread_id, ns: checkpoint_ns, id: checkpoint.id, parentId: checkpoint_id },
      body: JSON.stringify(this._dumpCheckpoint(checkpoint)),
      metadata: await this._dumpMetadata(written),
      blobs: blobs.map(([, , channel, version, type, content]) => ({ channel, version, type, content })),
    });
    if (checkpoint_ns !== "") return;
    this.#wroteRoot = true;
    this.rootCheckpointId = checkpoint.id;
  }

  override async putWrites(config: RunnableConfig, all: PendingWrite[], taskId: string): Promise<void> {
    const { thread_id, checkpoint_ns = "", checkpoint_id } = config.configurable ?? {};
    // LangGraph does not wait for the first checkpoint of a graph, and a result without the checkpoint
    // of its task is lost.
    await this.#inTheMaking.get(checkpoint_id);
    // A task that fails on its way out (in a conditional edge) has results too. Stored, they would
    // make it a finished one, and the next attempt would end there with success.
    const failed = all.some(([channel]) => channel === ERROR);
    const writes = failed ? all.filter(([channel]) => channel.startsWith(ERROR_PREFIX)) : all;
    // Errors, interrupts and their answers have one slot each and are replaced; results never are.
    const replaces = writes.every(([channel]) => channel in WRITES_IDX_MAP);
    // What comes in is only passed on by the first step: its results are those of the input, at any time.
    if (!replaces && this.statements.holds(checkpoint_id)?.metadata["source"] === "input") return;
    const rows = await this._dumpWrites(thread_id, checkpoint_ns, checkpoint_id, taskId, writes);
    crashPoint("task: done, not written");
    await this.statements.write(replaces ? REPLACE_WRITES : ADD_WRITES, [
      thread_id,
      checkpoint_ns,
      checkpoint_id,
      taskId,
      rows.map((row) => row[4]),
      rows.map((row) => row[5]),
      rows.map((row) => row[6]),
      rows.map((row) => base64(row[7])),
    ]);
    checkpointMetrics.wroteResults(sizeOf(rows.map((row) => row[7])));
    crashPoint("task: written");
  }

  /** What a failed first turn left behind: there is no completed turn to go back to. */
  async forgetThread(): Promise<void> {
    await this.statements.write(FORGET, [this.#writer.jobId]);
    crashPoint("thread: forgotten");
  }
}
