import { availableParallelism } from "node:os";
import type { ScriptAnswer, ScriptCall } from "./script.ts";
import { Thread } from "./thread.ts";

export type { ScriptAnswer } from "./script.ts";

export type SandboxOptions = {
  /** How many scripts run at once; more wait. */
  threads?: number;
  memoryBytes?: number;
  maxCharacters?: number;
};

type Asked = Pick<ScriptCall, "script" | "args" | "context" | "milliseconds" | "onlyCompile">;

const MEMORY_BYTES = 64 * 1024 * 1024;
const COMPILE_MS = 2000;
const MAX_CHARACTERS = 256 * 1024;
/** At least two: one endless script must not be what all others wait for. */
const THREADS = Math.min(Math.max(availableParallelism(), 2), 8);

/** Runs scripts that nobody has read, on threads of their own: nothing they do holds up the service. */
export class Sandbox {
  readonly #limits: { memoryBytes: number; maxCharacters: number };
  readonly #idle: Thread[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #all = new Set<Thread>();
  #free: number;
  #isClosed = false;

  constructor(options: SandboxOptions = {}) {
    const { threads = THREADS, memoryBytes = MEMORY_BYTES, maxCharacters = MAX_CHARACTERS } = options;
    this.#free = threads;
    this.#limits = { memoryBytes, maxCharacters };
  }

  /** Rejects only with the signal's reason, or when no thread can be started. The time starts with the script. */
  async run(asked: Asked, signal?: AbortSignal): Promise<ScriptAnswer> {
    await this.#turn(signal);
    try {
      const thread = this.#idle.pop() ?? (await this.#start());
      const answer = await thread.run({ ...asked, ...this.#limits }, signal);
      if (thread.isUsable) this.#idle.push(thread);
      return answer;
    } finally {
      this.#free++;
      this.#waiting[0]?.();
    }
  }

  /** What keeps a script from being one, if anything does. Nothing of it is run. */
  async problemOf(script: string): Promise<string | undefined> {
    const asked = { script, args: "{}", context: "{}", milliseconds: COMPILE_MS, onlyCompile: true };
    const { kind, text } = await this.run(asked);
    return kind === "value" ? undefined : text;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const thread of this.#all) thread.end();
  }

  async #start(): Promise<Thread> {
    const thread = await Thread.start();
    for (const old of this.#all) if (!old.isUsable) this.#all.delete(old);
    this.#all.add(thread);
    if (this.#isClosed) thread.end();
    return thread;
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    while (this.#free === 0) {
      let next = () => {};
      const woken = new Promise<void>((resolve, reject) => {
        next = () => {
          // Out of the queue, or the turn of who gave up would be given to nobody.
          const place = this.#waiting.indexOf(next);
          if (place >= 0) this.#waiting.splice(place, 1);
          if (signal?.aborted) reject(signal.reason);
          else resolve();
        };
      });
      this.#waiting.push(next);
      signal?.addEventListener("abort", next, { once: true });
      await woken.finally(() => signal?.removeEventListener("abort", next));
    }
    this.#free--;
  }
}
