import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";

/**
 * Two processes on one embedded database destroy it, so the directory names its owner. A lock whose
 * owner is dead is taken over; pid and start time together name a process, as pids come round again.
 */
export async function takeDirectoryLock(directory: string): Promise<() => Promise<void>> {
  const file = join(directory, "lock");
  const mine = `${process.pid} ${await startTime(process.pid)}`;
  for (let tries = 0; tries < 2; tries++) {
    try {
      await writeFile(file, mine, { flag: "wx" });
      return () => rm(file, { force: true });
    } catch (error) {
      if (!isExisting(error)) throw error;
    }
    const owner = await readFile(file, "utf8").catch(() => "");
    const pid = Number(owner.split(" ")[0]);
    if (pid !== process.pid && (await isAlive(pid, owner))) {
      throw new Error(
        `${directory} is in use by process ${pid}: stop it, or set DATA_DIR to another directory, ` +
          `or set PG_HOST to share a Postgres server. If that is no agent-executor, delete ${file}.`,
      );
    }
    await rm(file, { force: true });
  }
  throw new Error(`${file} keeps coming back: another process is starting on the same DATA_DIR.`);
}

async function isAlive(pid: number, owner: string): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!isForbidden(error)) return false;
  }
  const [state] = await statOf(pid);
  if (state === "Z" || state === "X") return false; // killed, and only its parent has yet to notice
  return owner === `${pid} ${await startTime(pid)}`;
}

/** Clock ticks from boot to the start of the process (Linux); elsewhere the pid alone has to do. */
async function startTime(pid: number): Promise<string> {
  return (await statOf(pid)).at(19) ?? "";
}

/** From the state on, which is the third field: the second is the command, which may hold spaces and brackets. */
async function statOf(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function isExisting(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EEXIST";
}

function isForbidden(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPERM";
}
