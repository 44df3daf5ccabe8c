import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { takeDirectoryLock } from "../../src/postgres/directory-lock.ts";
import { until } from "../support/wait.ts";

const fieldsOf = async (pid: number) => {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
};

describe.runIf(process.platform === "linux")("the lock of an embedded database", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-executor-lock-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  it("is taken over from a process that was killed, though its parent has not noticed yet", async () => {
    // The shell becomes a program that waits for no child: the other one stays in the list of processes.
    const parent = spawn("sh", ["-c", "sleep 60 & echo $!; exec sleep 60"]);
    const [line] = await once(createInterface({ input: parent.stdout }), "line");
    const pid = Number(line);
    await writeFile(join(folder, "lock"), `${pid} ${(await fieldsOf(pid))[19]}`);
    await expect(takeDirectoryLock(folder)).rejects.toThrow(`in use by process ${pid}`);

    process.kill(pid, "SIGKILL");
    await until(async () => (await fieldsOf(pid))[0] === "Z", { what: "it to be dead" });
    const release = await takeDirectoryLock(folder);

    expect(await readFile(join(folder, "lock"), "utf8")).toMatch(new RegExp(`^${process.pid} `));
    await release();
    parent.kill();
  });
});
