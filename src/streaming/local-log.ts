import { streamMetrics } from "../observability/metrics.ts";
import { Bell, type FrameLog, type JobTail, type Page } from "./frame-log.ts";
import { type Frame, isAfter, placed, type StoredFrame } from "./frames.ts";

export type LogLimits = { maxLength: number; ttlSeconds: number };

type Stream = { frames: StoredFrame[]; bytes: number; touchedAt: number; bell: Bell; readers: number };

/** However many jobs there are: the oldest streams go when there is more. */
const MOST_BYTES = 64 * 1024 * 1024;
const PAGE = 64;

/** The streams of this process, in its memory: for one process without Redis. */
export class LocalLog implements FrameLog {
  readonly #limits: LogLimits;
  readonly #now: () => number;
  /** In the order in which they were written to last. */
  readonly #streams = new Map<string, Stream>();
  #bytes = 0;
  #lastMs = 0;
  #count = 0;

  constructor(limits: LogLimits, now: () => number = Date.now) {
    this.#limits = limits;
    this.#now = now;
  }

  append(jobId: string, frame: Frame): void {
    const stream = this.#stream(jobId);
    const stored = placed(this.#nextId(), frame);
    stream.frames.push(stored);
    this.#grow(stream, stored.text.length);
    // Shifting one by one would copy the array each time.
    if (stream.frames.length > this.#limits.maxLength * 1.1) {
      const gone = stream.frames.splice(0, stream.frames.length - this.#limits.maxLength);
      this.#grow(stream, -gone.reduce((sum, { text }) => sum + text.length, 0));
    }
    stream.touchedAt = this.#now();
    this.#streams.delete(jobId);
    this.#streams.set(jobId, stream);
    this.#forgetOld(jobId);
    streamMetrics.published(1);
    stream.bell.ring();
  }

  open(jobId: string): JobTail {
    const stream = this.#stream(jobId);
    stream.readers++;
    const { bell } = stream;
    return {
      first: async (after) => pageOf(this.#streams.get(jobId)?.frames ?? [], after),
      next: async (after) => {
        const frames = this.#streams.get(jobId)?.frames ?? [];
        const page = pageOf(frames, after);
        // Who could not keep up with the window would not in the next one either: on to what is new.
        return page.missed ? { ...page, frames: frames.slice(-PAGE) } : page;
      },
      get version() {
        return bell.version;
      },
      changed: (version, withinMs) => bell.changed(version, withinMs),
      close: () => {
        stream.readers--;
        if (stream.readers === 0 && stream.frames.length === 0) this.#streams.delete(jobId);
      },
    };
  }

  #stream(jobId: string): Stream {
    const found = this.#streams.get(jobId);
    if (found) return found;
    const stream = { frames: [], bytes: 0, touchedAt: this.#now(), bell: new Bell(), readers: 0 };
    this.#streams.set(jobId, stream);
    return stream;
  }

  #nextId(): string {
    const ms = this.#now();
    this.#count = ms > this.#lastMs ? 0 : this.#count + 1;
    this.#lastMs = Math.max(ms, this.#lastMs);
    return `${this.#lastMs}-${this.#count}`;
  }

  #grow(stream: Stream, bytes: number): void {
    stream.bytes += bytes;
    this.#bytes += bytes;
  }

  /** The map is in order of age, so it ends at the first that may stay. */
  #forgetOld(current: string): void {
    const oldest = this.#now() - this.#limits.ttlSeconds * 1000;
    for (const [jobId, stream] of this.#streams) {
      if (jobId === current || (stream.touchedAt >= oldest && this.#bytes <= MOST_BYTES)) return;
      this.#bytes -= stream.bytes;
      stream.frames = [];
      stream.bytes = 0;
      // Someone who reads it holds on to its bell.
      if (stream.readers === 0) this.#streams.delete(jobId);
      else stream.touchedAt = this.#now();
    }
  }
}

/** The frames after a place among those in order, and whether that place is still there. */
function pageOf(frames: readonly StoredFrame[], after: string | undefined): Page {
  if (after === undefined) return { frames: frames.slice(0, PAGE), missed: false };
  const start = indexAfter(frames, after);
  const at = frames[start - 1];
  if (at?.id !== after) return { frames: frames.slice(0, PAGE), missed: true };
  return { frames: frames.slice(start, start + PAGE), at, missed: false };
}

/** Where the first frame after a place is. */
export function indexAfter(frames: readonly StoredFrame[], after: string): number {
  let low = 0;
  let high = frames.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { id = "" } = frames[middle] ?? {};
    if (isAfter(id, after)) high = middle;
    else low = middle + 1;
  }
  return low;
}
