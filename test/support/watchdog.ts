import { type ChildProcess, spawn } from "node:child_process";
import { chownSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

type Command = { program: string; args: readonly string[] };
export type User = { uid: number; gid: number };
/** All run in `folder`, which is made for them, and as `user`. `prepare` runs to its end, then `serve` runs until it is stopped, then `cleanUp` and the folder goes. */
export type Plan = {
  folder: string;
  user?: User;
  prepare?: Command;
  serve: Command;
  stopSignal: NodeJS.Signals;
  cleanUp?: Command;
};

// Stands between the tests and a server they started. The channel to the parent closes however the parent
// ends, even by kill -9: that is the sign to stop the server and to remove its folder.
const plan = JSON.parse(process.argv[2] ?? "") as Plan; // written by guarded.ts, by nobody else
const log = join(plan.folder, "log");
// PGDATA, PGPORT and the like are meant for the developer's own server.
const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("PG"));
const environment = { ...Object.fromEntries(inherited), LC_ALL: "C" };
let running: ChildProcess | undefined;
let stopping = false;

function run(command: Command, output: number): Promise<string> {
  const child = spawn(command.program, command.args, {
    cwd: plan.folder,
    env: environment,
    stdio: ["ignore", output, output],
    ...plan.user,
  });
  running = child;
  return new Promise((done) => {
    child.once("error", (error) => done(error.message));
    child.once("exit", (code, signal) => done(code === 0 ? "" : `it ended with ${code ?? signal}`));
  });
}

async function stop(reason: string): Promise<void> {
  if (stopping) return;
  stopping = true;
  const server = running;
  if (server?.pid && server.exitCode === null && server.signalCode === null) {
    const ended = new Promise((done) => server.once("exit", done));
    server.kill(plan.stopSignal);
    const impatience = setTimeout(() => server.kill("SIGKILL"), 5_000);
    await ended;
    clearTimeout(impatience);
  }
  if (plan.cleanUp) await run(plan.cleanUp, openSync(log, "a"));
  rmSync(plan.folder, { recursive: true, force: true, maxRetries: 5 });
  if (process.connected && reason) process.send?.(reason, () => process.exit(1));
  else process.exit(0);
}

function lastWords(): string {
  return readFileSync(log, "utf8").trimEnd().split("\n").slice(-15).join("\n");
}

process.once("disconnect", () => stop(""));
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(signal, () => stop(signal));

mkdirSync(plan.folder, { mode: 0o700 });
if (plan.user) chownSync(plan.folder, plan.user.uid, plan.user.gid);
const output = openSync(log, "a");
const problem = (plan.prepare && (await run(plan.prepare, output))) || (await run(plan.serve, output));
await stop(`${problem || "it ended by itself"}\n${lastWords()}`);
