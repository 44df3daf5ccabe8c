import { readdirSync, readFileSync } from "node:fs";
import pg from "pg";

type Stat = { name: string; parent: number; ownMs: number; endedChildrenMs: number };

/** Linux counts in hundredths of a second for user space, whatever the kernel's own clock. */
const TICK_MS = 10;

/** The CPU time that a process has used up; undefined where there is no /proc. */
export function cpuMs(pid: number): number | undefined {
  return readStat(pid)?.ownMs;
}

/** Bytes of it that are in memory now, as MiB. */
export function memoryMiB(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kib === undefined ? undefined : Number(kib) / 1024;
  } catch {
    return undefined;
  }
}

/**
 * Reads the CPU time of a whole Postgres server: its first process, the ones that are there, and the
 * ones that have ended. Undefined when the server is not on this machine or hidden in a container.
 */
export async function postgresCpu(url: string): Promise<() => number | undefined> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const isHere = ["127.0.0.1", "localhost", "[::1]"].includes(new URL(url).hostname);
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    const backend = readStat(rows[0]?.pid ?? 0);
    if (!isHere || !backend?.name.startsWith("postgres")) return () => undefined;
    return () => familyMs(backend.parent);
  } finally {
    await client.end();
  }
}

function familyMs(first: number): number | undefined {
  const parent = readStat(first);
  if (parent === undefined) return undefined;
  const children = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => readStat(Number(entry)))
    .filter((stat) => stat?.parent === first);
  return children.reduce((sum, child) => sum + (child?.ownMs ?? 0), parent.ownMs + parent.endedChildrenMs);
}

/** See proc(5). The name is in parentheses and may hold anything, so the fields are counted after it. */
function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const end = text.lastIndexOf(")");
    const fields = text.slice(end + 2).split(" ");
    const ms = (...places: number[]) => places.reduce((sum, i) => sum + Number(fields[i]), 0) * TICK_MS;
    return {
      name: text.slice(text.indexOf("(") + 1, end),
      parent: Number(fields[1]),
      ownMs: ms(11, 12),
      endedChildrenMs: ms(13, 14),
    };
  } catch {
    return undefined; // it has ended, or this is no Linux
  }
}
