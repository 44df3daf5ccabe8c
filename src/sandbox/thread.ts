import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import type { ScriptAnswer, ScriptCall } from "./script.ts";

/** The bundle keeps the worker and its WebAssembly in a folder beside its chunks. */
const isSource = import.meta.url.endsWith(".ts");

/** What a thread may use beside the memory of the script, which is counted by itself. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16 };
/** A thread that is this late after its own limit is stuck where it cannot look at the clock. */
const GRACE_MS = 250;

/** The types of Node 20 know the namespace, but not that it is a value. */
const { WebAssembly: wasm } = globalThis as unknown as {
  WebAssembly: { compile(bytes: Uint8Array): Promise<WebAssembly.Module> };
};

let compiled: Promise<WebAssembly.Module> | undefined;

/** Compiled once a process, off this thread; all instances share it. */
function quickjsModule(): Promise<WebAssembly.Module> {
  const { resolve } = createRequire(import.meta.url);
  const file = isSource
    ? pathToFileURL(resolve("@jitl/quickjs-wasmfile-release-sync/wasm"))
    : new URL("../sandbox/quickjs.wasm", import.meta.url);
  compiled ??= readFile(file).then((bytes) => wasm.compile(bytes));
  return compiled;
}

/** From source: a thread takes no loader over from its parent, so it gets one before it reads TypeScript. */
function sourceEntry(): string {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx/package.json"));
  const loader = new URL("dist/esm/api/index.mjs", tsx).href;
  const entry = new URL("./worker.ts", import.meta.url).href;
  return `import("${loader}").then(({ register }) => { register(); return import("${entry}"); });`;
}

/** A thread that runs scripts one after the other, until one of them has to be cut with it. */
export class Thread {
  readonly #worker: Worker;
  isUsable = true;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("error", () => this.end());
    worker.on("exit", () => this.end());
  }

  static async start(): Promise<Thread> {
    const module = await quickjsModule();
    // Nothing of ours goes along: no environment, no flags.
    const worker = new Worker(isSource ? sourceEntry() : new URL("../sandbox/worker.js", import.meta.url), {
      workerData: { module },
      env: {},
      execArgv: [],
      eval: isSource,
      resourceLimits: RESOURCE_LIMITS,
      name: "sandbox",
    });
    const thread = new Thread(worker);
    await thread.#next(); // it says that it is ready
    worker.unref(); // an idle one keeps no process alive
    return thread;
  }

  /** Rejects with the signal's reason; a thread that does not answer, or was cut off, is of no more use. */
  async run(call: ScriptCall, signal: AbortSignal | undefined): Promise<ScriptAnswer> {
    signal?.throwIfAborted();
    this.#worker.ref();
    const stuck = setTimeout(() => this.end(), call.milliseconds + GRACE_MS);
    const cut = () => this.end();
    signal?.addEventListener("abort", cut, { once: true });
    try {
      this.#worker.postMessage(call);
      return (await this.#next()) as ScriptAnswer; // by worker.ts
    } catch {
      signal?.throwIfAborted();
      const text = `no answer within ${call.milliseconds / 1000} s, or out of memory`;
      return { kind: "too_late", text, isCut: false, lines: [] };
    } finally {
      clearTimeout(stuck);
      signal?.removeEventListener("abort", cut);
      if (this.isUsable) this.#worker.unref();
    }
  }

  end(): void {
    this.isUsable = false;
    void this.#worker.terminate();
  }

  /** What it says next; rejects when it ends instead. */
  async #next(): Promise<unknown> {
    const ended = new AbortController();
    const { signal } = ended;
    try {
      return await new Promise((resolve, reject) => {
        const failed = (error: unknown) => reject(error instanceof Error ? error : new Error("it ended"));
        const listeners = { message: resolve, error: failed, exit: failed };
        for (const [event, listener] of Object.entries(listeners)) this.#worker.once(event, listener);
        signal.addEventListener("abort", () => {
          for (const [event, listener] of Object.entries(listeners)) this.#worker.off(event, listener);
        });
      });
    } finally {
      ended.abort();
    }
  }
}
