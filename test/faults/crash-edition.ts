import { resolve } from "node:path";
import { runCommand } from "../support/process.ts";

const root = resolve(import.meta.dirname, "../..");
let built: Promise<string> | undefined;

/** The service built with its crash points alive, once a process; gives its entry. */
export function crashEdition(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  const folder = `node_modules/.cache/agent-executor-crash-${process.pid}`;
  const args = ["tsx", "scripts/build.ts", "--crash-points", folder];
  const { code, stderr } = await runCommand("npx", args, { cwd: root, timeoutMs: 60_000 });
  if (code !== 0) throw new Error(`the crash edition could not be built: ${stderr}`);
  return `${folder}/main.js`;
}

/** What makes a process of that edition die at a place or for a job. */
export function crashEnv(where: { at?: string; job?: string; notes?: string }): Record<string, string> {
  return {
    NODE_OPTIONS: `--import ${resolve(root, "test/support/crash-hook.js")}`,
    ...(where.at && { CRASH_AT: where.at }),
    ...(where.job && { CRASH_JOB: where.job }),
    ...(where.notes && { CRASH_NOTES: where.notes }),
  };
}
