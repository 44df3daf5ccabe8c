import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { get } from "./post.ts";
import { killWithUs } from "./reaper.ts";
import { freePort } from "./wait.ts";
import { witness } from "./witness.ts";

const root = resolve(import.meta.dirname, "../..");

export type CommandOptions = {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  input?: string;
  timeoutMs?: number;
};
export type CommandResult = {
  /** null when a signal ended it, or when the program was not found. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
};

/** Runs a program to its end; past `timeoutMs` it is killed. Never throws: the result says what happened. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { cwd = root, env = process.env, input, timeoutMs = 60_000 } = options;
  witness.knowThoseIn(ownOf(env));
  const child = spawn(program, args, { cwd, env });
  killWithUs(child);
  const impatience = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => undefined); // a program may end without reading its input
  child.stdin.end(input);
  return new Promise((done) => {
    const end = (code: number | null, signal: NodeJS.Signals | null) => {
      clearTimeout(impatience);
      witness.see("logs", stdout + stderr);
      done({ code, signal, stdout, stderr });
    };
    child.once("error", (error) => {
      stderr += error.message;
      end(null, null);
    });
    child.once("close", end);
    // A grandchild may hold the pipes of a killed child open for ever, and then "close" never comes.
    child.once("exit", (code, signal) => {
      if (child.killed) end(code, signal);
    });
  });
}

/** What this machine itself has in its environment is no secret of ours to look for. */
function ownOf(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name, value]) => process.env[name] !== value));
}

export type Exit = { code: number | null; signal: NodeJS.Signals | null };
export type LogLine = Record<string, unknown>;
export type SpawnOptions = { entry?: string; args?: readonly string[] };

/** Starts the built service with PATH, HOME and `env`, nothing else; PORT is a free one unless `env` says it. */
export async function spawnService(
  env: Record<string, string> = {},
  { entry = "dist/main.js", args = [] }: SpawnOptions = {},
): Promise<SpawnedService> {
  const file = resolve(root, entry);
  if (!existsSync(file)) throw new Error(`${entry} does not exist: run \`npm run build\` first`);
  witness.knowThoseIn(env);
  const port = env["PORT"] === undefined ? await freePort() : Number(env["PORT"]);
  const loader = file.endsWith(".ts") ? ["--import", "tsx"] : [];
  const child = spawn(process.execPath, [...loader, file, ...args], {
    cwd: root,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], PORT: String(port), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  await endWithTheTest(child);
  return new SpawnedService(child, port);
}

/** A service in a process of its own, with all it said. */
export class SpawnedService {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Every line of standard output; `logs` holds those of them that are JSON objects. */
  readonly stdout: string[] = [];
  readonly logs: LogLine[] = [];
  readonly stderr: string[] = [];
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  #exit: Exit | undefined;

  constructor(child: ChildProcess, port: number) {
    if (!child.stdout || !child.stderr || !child.pid) throw new Error("the service could not be spawned");
    this.#child = child;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.pid = child.pid;
    createInterface(child.stderr).on("line", (line) => {
      witness.see("logs", line);
      this.stderr.push(line);
    });
    createInterface(child.stdout).on("line", (line) => {
      witness.see("logs", line);
      this.stdout.push(line);
      const log = jsonObject(line);
      if (log) this.logs.push(log);
    });
    child.once("exit", (code, signal) => {
      this.#exit = { code, signal };
    });
    // Not "exit": after "close" all lines have been read.
    this.exited = new Promise((done) => {
      child.once("close", (code, signal) => done({ code, signal }));
    });
  }

  /** Resolves when `GET /health` answers 200; fails at once when the process ends before that. */
  async waitForHealth(timeoutMs = 15_000): Promise<void> {
    const healthy = async () => (await get(`${this.url}/health`, { timeoutMs: 1_000 })).status === 200;
    await this.#while("/health answers 200", timeoutMs, () => healthy().catch(() => false));
  }

  /** The first line, past or coming, that is so. */
  async waitForLog(matches: (line: LogLine) => boolean, timeoutMs = 5_000): Promise<LogLine> {
    return this.#while("a log line comes", timeoutMs, () => this.logs.find(matches));
  }

  /** Sends the signal (SIGTERM) and waits for the end. */
  async kill(signal: NodeJS.Signals = "SIGTERM"): Promise<Exit> {
    this.#child.kill(signal);
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL");
  }

  /** Waits for an answer as long as the process lives; its last words belong to the failure. */
  async #while<T extends object | true>(
    what: string,
    timeoutMs: number,
    ask: () => T | false | undefined | Promise<T | false | undefined>,
  ): Promise<T> {
    const startedAt = performance.now();
    for (;;) {
      const exit = this.#exit;
      const found = await ask();
      if (found) return found;
      const words = [...this.stdout.slice(-10), ...this.stderr.slice(-10)].join("\n");
      if (exit) throw new Error(`the service ended (${exit.code ?? exit.signal}) before ${what}\n${words}`);
      if (performance.now() - startedAt > timeoutMs) {
        throw new Error(`waited ${timeoutMs} ms until ${what}\n${words}`);
      }
      await delay(20);
    }
  }
}

function jsonObject(line: string): LogLine | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as LogLine; // it starts with a brace and parses: it is an object
  } catch {
    return undefined;
  }
}

/** Nothing a test spawned outlives it; spawned in a hook, it ends with the process of the test file. */
async function endWithTheTest(child: ChildProcess): Promise<void> {
  killWithUs(child);
  if (!process.env["VITEST_WORKER_ID"]) return; // a script: it stops what it started
  const { onTestFinished } = await import("vitest");
  try {
    onTestFinished(async () => {
      if (child.kill("SIGKILL")) await once(child, "exit");
    });
  } catch {
    // Outside a test there is nothing to wait for: `killWithUs` is enough.
  }
}
