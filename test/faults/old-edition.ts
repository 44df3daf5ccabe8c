import { randomBytes } from "node:crypto";
import { rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { runCommand } from "../support/process.ts";

const root = resolve(import.meta.dirname, "../..");
const MIGRATIONS = "src/postgres/migrations";

export type Edition = { revision: string; entry: string; remove(): Promise<void> };

/** So far back it looks for a revision that builds: not every step of a branch does. */
const TRIES = 12;

/**
 * The service as it was before the newest change of its schema, built in a folder of its own: `main`,
 * or, once main has that change too, the newest revision before it that builds.
 */
export async function buildOldEdition(): Promise<Edition> {
  const folder = join(tmpdir(), `agent-executor-old-${randomBytes(4).toString("hex")}`);
  const remove = async () => {
    await runCommand("git", ["worktree", "remove", "--force", folder]);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const revisions = await oldRevisions();
    await must("git", ["worktree", "add", "--detach", folder, revisions[0] ?? "HEAD"], root);
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    let failure: unknown;
    for (const revision of revisions) {
      await must("git", ["checkout", "--force", "--detach", revision], folder);
      const built = await must(process.execPath, ["--import", "tsx", "scripts/build.ts"], folder).catch(
        (error: unknown) => {
          failure ??= error;
        },
      );
      if (built !== undefined) return { revision, entry: join(folder, "dist/main.js"), remove };
    }
    throw failure ?? new Error("there is no older revision");
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The likeliest first. */
async function oldRevisions(): Promise<string[]> {
  const revisions: string[] = [];
  for (const name of ["main", "origin/main"]) {
    const found = await runCommand("git", ["rev-parse", "--verify", "--quiet", `${name}^{commit}`], {
      cwd: root,
    });
    if (found.code !== 0) continue;
    const diff = await runCommand("git", ["diff", "--quiet", name, "--", MIGRATIONS], { cwd: root });
    if (diff.code === 1) revisions.push(found.stdout.trim());
  }
  const newest = await must("git", ["log", "--diff-filter=A", "-1", "--format=%H", "--", MIGRATIONS], root);
  const before = await must("git", ["rev-list", `--max-count=${TRIES}`, `${newest}^`], root);
  return [...revisions, ...before.split("\n")];
}

async function must(program: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await runCommand(program, args, { cwd, timeoutMs: 120_000 });
  if (code === 0) return stdout.trim();
  throw new Error(`${program} ${args.join(" ")} failed: ${stderr.trim().slice(-300)}`);
}
