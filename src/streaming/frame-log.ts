import type { Frame, StoredFrame } from "./frames.ts";

/** Where frames go and where readers find them. */
export type FrameLog = {
  /** Never waits and never throws: a run must not feel its readers. */
  append(jobId: string, frame: Frame): void;
  /** The stream of one job, for one reader, who closes it. */
  open(jobId: string): JobTail;
};

export type Page = {
  frames: readonly StoredFrame[];
  /** The frame at the place that was named. */
  at?: StoredFrame | undefined;
  /** What came after the place that was named is not there any more, or not all of it. */
  missed: boolean;
};

export type JobTail = {
  /** The frames after a place that somebody claims to have been at, or from the start of what there is. */
  first(after: string | undefined): Promise<Page>;
  /** The frames after the last one that was read; empty when there are none yet. */
  next(after: string | undefined): Promise<Page>;
  /** Changes whenever there may be more to read. */
  readonly version: number;
  /** Resolves when `version` is another, or the time is over. */
  changed(version: number, withinMs: number): Promise<void>;
  close(): void;
};

/** Readers that wait for the same stream. */
export class Bell {
  version = 0;
  readonly #waiting = new Set<() => void>();
  #ringing: NodeJS.Timeout | undefined;

  /** Frames come in bursts: readers are woken once for many. */
  ring(): void {
    this.version++;
    if (this.#waiting.size === 0 || this.#ringing !== undefined) return;
    this.#ringing = setTimeout(() => {
      this.#ringing = undefined;
      for (const wake of [...this.#waiting]) wake();
    }, RING_AFTER_MS);
  }

  async changed(version: number, withinMs: number): Promise<void> {
    if (this.version !== version) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, withinMs);
      this.#waiting.add(wake);
    });
  }
}

const RING_AFTER_MS = 10;
