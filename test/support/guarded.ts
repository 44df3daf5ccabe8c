import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import type { Plan } from "./watchdog.ts";

export type Guarded = {
  /** Why it ended unasked, with its last words; undefined while it runs. */
  readonly failure: string | undefined;
  stop(): Promise<void>;
};

/** Runs a server that ends when this process does, however that comes about. */
export function startGuarded(plan: Plan): Guarded {
  const tsx = createRequire(import.meta.url).resolve("tsx");
  const script = join(import.meta.dirname, "watchdog.ts");
  const child = spawn(process.execPath, ["--import", tsx, script, JSON.stringify(plan)], {
    // Of its own process group, so that Ctrl-C reaches us alone and the server stops in order.
    detached: true,
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  let failure: string | undefined;
  let stopped = false;
  child.on("message", (reason) => {
    failure = String(reason);
  });
  const ended = new Promise<void>((done) => {
    const end = (how: string) => {
      if (!stopped) failure ??= `its watchdog ended with ${how}`;
      done();
    };
    child.once("error", (error) => end(error.message));
    child.once("exit", (code, signal) => end(String(code ?? signal)));
  });
  // A script that forgets to stop its servers must still be able to end.
  child.unref();
  child.channel?.unref();
  return {
    get failure() {
      return failure;
    },
    async stop() {
      stopped = true;
      child.ref();
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
