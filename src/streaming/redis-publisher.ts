import { SpanKind } from "@opentelemetry/api";
import { streamMetrics } from "../observability/metrics.ts";
import { inSpan, ROOT_CONTEXT } from "../observability/spans.ts";
import { type Frame, makeFrame, tailOf } from "./frames.ts";
import type { LogLimits } from "./local-log.ts";
import type { RedisLink } from "./redis-link.ts";

export const channelOf = (jobId: string): string => `langgraph:stream:${jobId}`;
export const logOf = (jobId: string): string => `langgraph:log:${jobId}`;

/** Frames that come within this time go out together. */
const WINDOW_MS = 10;
/** What waits for Redis at the most. */
const MOST_FRAMES = 10_000;
const MOST_CHARACTERS = 8 * 1024 * 1024;
/** Others use the same Redis: it is not to be held up for long by one call. */
const MOST_AT_ONCE = 1000;

/**
 * The server gives the id, so that the frames of a job are in one order whoever writes them, and what
 * is published is byte for byte what is kept.
 */
const APPEND = `
  for i = 4, #ARGV, 2 do
    local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'type', ARGV[i], 'tail', ARGV[i + 1])
    redis.call('PUBLISH', ARGV[1], '{"event_type":"' .. ARGV[i] .. '","data":{"stream_id":"' .. id .. ARGV[i + 1])
  end
  redis.call('EXPIRE', KEYS[1], ARGV[3])`;

type Batch = { jobId: string; frames: Frame[]; characters: number };

/** Sends frames to Redis without anybody waiting: what does not get through is counted and marked by a gap. */
export class RedisPublisher {
  readonly #link: () => RedisLink;
  readonly #limits: LogLimits;
  /** By job, in the order in which they came. */
  readonly #waiting = new Map<string, Batch>();
  /** Jobs whose readers miss something: the next frame is preceded by one that says so. */
  readonly #gaps = new Set<string>();
  #frames = 0;
  #characters = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;

  constructor(link: () => RedisLink, limits: LogLimits) {
    this.#link = link;
    this.#limits = limits;
  }

  append(jobId: string, frame: Frame): void {
    const size = frame.fields.length;
    while (this.#frames > 0 && (this.#frames >= MOST_FRAMES || this.#characters + size > MOST_CHARACTERS)) {
      this.#giveUpOldest();
    }
    const batch = this.#waiting.get(jobId) ?? { jobId, frames: [], characters: 0 };
    this.#waiting.set(jobId, batch);
    batch.frames.push(frame);
    batch.characters += size;
    this.#frames++;
    this.#characters += size;
    this.#timer ??= setTimeout(() => this.flush(), WINDOW_MS);
  }

  /** Sends what waits, if Redis is there and has taken what was sent before. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#sending !== undefined || this.#frames === 0 || this.#link().redis === undefined) return;
    this.#sending = this.#send(this.#take()).finally(() => {
      this.#sending = undefined;
      if (this.#frames > 0) this.#timer ??= setTimeout(() => this.flush(), WINDOW_MS);
    });
  }

  /** What was said last should still be heard; within limits. */
  async close(): Promise<void> {
    for (let i = 0; i < MOST_FRAMES / MOST_AT_ONCE; i++) {
      await this.#sending;
      this.flush();
      if (this.#sending === undefined) break;
    }
    await this.#sending;
    clearTimeout(this.#timer);
  }

  #take(): Batch[] {
    const taken: Batch[] = [];
    let count = 0;
    for (const batch of this.#waiting.values()) {
      if (count >= MOST_AT_ONCE) break;
      taken.push(batch);
      count += batch.frames.length;
      this.#waiting.delete(batch.jobId);
      this.#forget(batch);
    }
    return taken;
  }

  async #send(batches: readonly Batch[]): Promise<void> {
    const link = this.#link();
    const redis = link.redis;
    if (redis === undefined) return;
    const { maxLength, ttlSeconds } = this.#limits;
    const pipeline = redis.pipeline();
    for (const { jobId, frames } of batches) {
      const all = this.#gaps.delete(jobId) && frames[0] ? [gapBefore(frames[0]), ...frames] : frames;
      const told = all.flatMap((frame) => [frame.type, tailOf(frame)]);
      pipeline.eval(APPEND, 1, logOf(jobId), channelOf(jobId), maxLength, ttlSeconds, ...told);
    }
    // One that failed as a whole may have been carried out: sent again, its frames would come twice.
    // Frames of many runs go out together, so the span is in no run's trace.
    const spanOptions = {
      kind: SpanKind.PRODUCER,
      parent: ROOT_CONTEXT,
      attributes: { "db.system.name": "redis" },
    };
    const results = await inSpan("publish redis", spanOptions, () => pipeline.exec()).catch(() => null);
    batches.forEach((batch, i) => {
      const [error] = results?.[i] ?? [new Error("no answer")];
      if (error === null) streamMetrics.published(batch.frames.length);
      else this.#lost(batch, "refused");
    });
    if (results === null || results.some(([error]) => error?.message === "Command timed out")) link.drop();
  }

  #giveUpOldest(): void {
    const [oldest] = this.#waiting.values();
    if (oldest === undefined) return;
    this.#waiting.delete(oldest.jobId);
    this.#forget(oldest);
    this.#lost(oldest, "dropped");
  }

  #forget({ frames, characters }: Batch): void {
    this.#frames -= frames.length;
    this.#characters -= characters;
  }

  #lost({ jobId, frames }: Batch, how: "dropped" | "refused"): void {
    streamMetrics[how](frames.length);
    if (this.#gaps.size >= MOST_FRAMES) this.#gaps.clear();
    this.#gaps.add(jobId);
  }
}

const gapBefore = (frame: Frame): Frame => makeFrame("gap", frame, { reason: "frames were lost" });
