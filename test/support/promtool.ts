import { spawnSync } from "node:child_process";
import process from "node:process";
import { runCommand } from "./process.ts";

/** Whether it is there: the package `prometheus` of Debian has it. Where it is not, one line says so. */
export const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
if (!hasPromtool) process.stderr.write("promtool is not installed (apt-get install prometheus): not run\n");

export async function promtool(args: readonly string[], input = ""): Promise<{ ok: boolean; said: string }> {
  const { code, stdout, stderr } = await runCommand("promtool", args, { input });
  return { ok: code === 0, said: (stdout + stderr).trim() };
}
