import { AgentError } from "../errors/agent-error.ts";
import type { OutcomeKind } from "../events/outgoing.ts";
import { pause } from "../lifetime/pause.ts";
import type { Queryable } from "../postgres/database.ts";
import type { FrameLog, JobTail, Page } from "../streaming/frame-log.ts";
import { type Frame, isStreamId, makeFrame, placed, runOf, type StoredFrame } from "../streaming/frames.ts";
import { readJob } from "./jobs.ts";
import { lastFrames } from "./stream-end.ts";

/** What a reader is sent; what has no `id` is for this reader alone and no place to go on from. */
export type ReaderFrame = Omit<StoredFrame, "id"> & { id: string | undefined };

export type Following = { db: Queryable; streams: FrameLog; signal: AbortSignal };

/** The database knows of an end whose frame was lost with its process; so often it is asked. */
const ASK_EVERY_MS = 15_000;
/** The frame of an end comes a moment after the end; after this long it does not come at all. */
const GRACE_MS = 2000;
const AGAIN_AFTER_MS = 250;

type Progress = { isLive: boolean; last: LastRun | null };
type LastRun = { runId: string; attempt: number; kind: OutcomeKind };

/**
 * The frames of a job after a place in its stream, and then those that come, until no run of it is
 * left. The first batch may be empty: it says that the job is there and not over for this reader.
 */
export async function* followJob(
  { db, streams, signal }: Following,
  jobId: string,
  lastEventId: string | undefined,
): AsyncGenerator<readonly ReaderFrame[], void> {
  await requireJob(db, jobId);
  const tail = streams.open(jobId);
  try {
    yield* follow(new Reader(db, tail, jobId, lastEventId), signal);
  } finally {
    tail.close();
  }
}

async function* follow(reader: Reader, signal: AbortSignal): AsyncGenerator<readonly ReaderFrame[], void> {
  let nextLook = 0;
  let isOpen = false;
  let overSince: number | undefined;
  while (!signal.aborted) {
    const { version } = reader.tail;
    const frames = await reader.more();
    if (frames.length > 0) {
      if (frames.some(({ type }) => type === "end")) nextLook = 0;
      yield frames;
      continue;
    }
    const now = performance.now();
    if (now >= nextLook) {
      const { isLive, last } = await reader.progress();
      if (!isLive && (last === null || reader.ended.has(last.runId))) return;
      overSince = isLive ? undefined : (overSince ?? now);
      if (!isLive && last !== null && now - (overSince ?? now) >= GRACE_MS) {
        yield await reader.endFromDatabase(last);
        return;
      }
      nextLook = now + (isLive ? ASK_EVERY_MS : AGAIN_AFTER_MS);
      if (!isOpen) yield [];
      isOpen = true;
    }
    await reader.tail.changed(version, Math.max(1, Math.min(nextLook - now, 1000)));
  }
}

class Reader {
  readonly tail: JobTail;
  /** Runs whose end this reader knows of. */
  readonly ended = new Set<string>();
  readonly #db: Queryable;
  readonly #jobId: string;
  #at: string | undefined;
  #isStarted = false;

  constructor(db: Queryable, tail: JobTail, jobId: string, lastEventId: string | undefined) {
    this.#db = db;
    this.tail = tail;
    this.#jobId = jobId;
    this.#at = lastEventId;
  }

  /** What there is now; nothing while the stream cannot be read. */
  async more(): Promise<readonly ReaderFrame[]> {
    const page = await this.#read();
    if (page === undefined) return [];
    const gap = page.missed ? [await this.#gap()] : [];
    if (page.missed) this.#at = undefined;
    this.#isStarted = true;
    if (page.at?.type === "end") this.ended.add(runOf(page.at) ?? "");
    for (const frame of page.frames) if (frame.type === "end") this.ended.add(runOf(frame) ?? "");
    this.#at = page.frames.at(-1)?.id ?? this.#at;
    return [...gap, ...page.frames];
  }

  async progress(): Promise<Progress> {
    const [progress] = await this.#db.query<Progress>("stream-progress", PROGRESS, [this.#jobId]);
    return progress ?? { isLive: false, last: null };
  }

  async endFromDatabase(last: LastRun): Promise<ReaderFrame[]> {
    const [row] = await this.#db.query<{ outcome: string | null }>(
      "stream-outcome",
      "select outcome from runs where run_id = $1",
      [last.runId],
    );
    const data = row?.outcome ? JSON.parse(row.outcome) : {};
    return lastFrames({ ...last, data }).map((frame) => this.#own(frame));
  }

  /** A place that is not in the stream any more is answered by what the job is now. */
  async #gap(): Promise<ReaderFrame> {
    const job = await readJob(this.#db, this.#jobId);
    const { run_id: runId = "", attempt = 0 } = job.runs.at(-1) ?? {};
    return this.#own(makeFrame("gap", { runId, attempt }, { job }));
  }

  #own(frame: Frame): ReaderFrame {
    const place = this.#at !== undefined && isStreamId(this.#at) ? this.#at : "0-0";
    return { ...placed(place, frame), id: undefined };
  }

  /** A stream that cannot be read is no reason to end: it may come back, and the database answers. */
  async #read(): Promise<Page | undefined> {
    try {
      if (this.#isStarted) return await this.tail.next(this.#at);
      if (this.#at === undefined || isStreamId(this.#at)) return await this.tail.first(this.#at);
      return { ...(await this.tail.first(undefined)), missed: true };
    } catch {
      await pause(AGAIN_AFTER_MS);
      return undefined;
    }
  }
}

const PROGRESS = `
  select exists (select 1 from runs where job_id = $1 and status in ('queued', 'running', 'waiting')) as "isLive",
         (select json_build_object('runId', run_id, 'attempt', attempt, 'kind', status) from runs
           where job_id = $1 and settled_at is not null order by settled_at desc, seq desc limit 1) as last`;

async function requireJob(db: Queryable, jobId: string): Promise<void> {
  const rows = await db.query("stream-job", "select 1 from jobs where job_id = $1", [jobId]);
  if (rows.length === 0) throw new AgentError("unknown_job", "no job of this id is stored");
}
