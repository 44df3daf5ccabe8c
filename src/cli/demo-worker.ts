import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import process from "node:process";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { CommandFailed } from "./exit.ts";

const READY_MS = 30_000;

/** The service in a process that can be killed. */
export class DemoWorker {
  readonly url: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#exited = once(child, "exit");
    this.pid = child.pid ?? 0;
    this.url = url;
  }

  static async start(command: readonly string[], env: Record<string, string>): Promise<DemoWorker> {
    const port = await freePort();
    const child = spawn(process.execPath, command, {
      env: { ...env, PORT: String(port) },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const dieWithUs = () => child.kill("SIGKILL");
    process.once("exit", dieWithUs);
    child.once("exit", () => process.off("exit", dieWithUs));
    const said = child.stderr ? text(child.stderr) : Promise.resolve("");
    const worker = new DemoWorker(child, `http://127.0.0.1:${port}`);
    for (const late = performance.now() + READY_MS; performance.now() < late; await delay(50)) {
      if (child.exitCode !== null)
        throw new CommandFailed(`the worker ended at once: ${(await said).trim()}`);
      const ready = await fetch(`${worker.url}/ready`).catch(() => undefined);
      if (ready?.ok) return worker;
    }
    await worker.kill();
    throw new CommandFailed(`the worker was not ready within ${READY_MS / 1000} s`, 3);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
