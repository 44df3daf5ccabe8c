import { type ChildProcess, spawn } from "node:child_process";

/** Keeps the list of "+ pid" and "- pid" until its input ends, however we end; then kills what is left. */
const SCRIPT = `
  left=""
  while read -r sign pid; do
    others=""
    for one in $left; do [ "$one" = "$pid" ] || others="$others $one"; done
    [ "$sign" = + ] && left="$others $pid" || left="$others"
  done
  [ -z "$left" ] || kill -9 $left`;

let reaper: ChildProcess | undefined;

/** Vitest ends the process of a test file by a signal, so an exit handler would never run. */
export function killWithUs(child: ChildProcess): void {
  if (child.pid === undefined) return; // it could not be spawned
  reaper ??= startReaper();
  const { stdin } = reaper;
  stdin?.write(`+ ${child.pid}\n`);
  child.once("exit", () => stdin?.write(`- ${child.pid}\n`)); // its number may go to another process
}

function startReaper(): ChildProcess {
  // Of its own process group: Ctrl-C must not end it before its work.
  const child = spawn("sh", ["-c", SCRIPT], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  child.stdin?.on("error", () => undefined);
  child.unref();
  return child;
}
