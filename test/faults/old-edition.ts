import { randomBytes } from "node:crypto";
import { mkdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { runCommand } from "../support/process.ts";

const root = resolve(import.meta.dirname, "../..");
const MIGRATIONS = "src/postgres/migrations";

export type Edition = { revision: string; entry: string; remove(): Promise<void> };

/**
 * The service as it was before the newest change of its schema, built in a folder of its own: `main`,
 * or, once main has that change too, the revision before the newest migration came.
 */
export async function buildOldEdition(): Promise<Edition> {
  const revision = await oldRevision();
  const folder = join(tmpdir(), `agent-executor-old-${randomBytes(4).toString("hex")}`);
  const remove = async () => {
    await runCommand("git", ["worktree", "remove", "--force", folder]);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await must("git", ["worktree", "add", "--detach", folder, revision], root);
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    await mkdir(join(folder, "dist"), { recursive: true });
    await must(process.execPath, ["--import", "tsx", "scripts/build.ts"], folder);
    return { revision, entry: join(folder, "dist/main.js"), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function oldRevision(): Promise<string> {
  for (const name of ["main", "origin/main"]) {
    const found = await runCommand("git", ["rev-parse", "--verify", "--quiet", `${name}^{commit}`], {
      cwd: root,
    });
    if (found.code !== 0) continue;
    const same = await runCommand("git", ["diff", "--quiet", name, "--", MIGRATIONS], { cwd: root });
    if (same.code === 1) return found.stdout.trim();
  }
  const newest = await must("git", ["log", "--diff-filter=A", "-1", "--format=%H", "--", MIGRATIONS], root);
  return (await must("git", ["rev-parse", "--verify", `${newest}^`], root)).trim();
}

async function must(program: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await runCommand(program, args, { cwd, timeoutMs: 120_000 });
  if (code === 0) return stdout.trim();
  throw new Error(`${program} ${args.join(" ")} failed: ${stderr.trim().slice(-300)}`);
}
