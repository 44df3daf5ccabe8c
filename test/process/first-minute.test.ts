import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { freshDatabase } from "../support/databases.ts";
import { get } from "../support/post.ts";
import { runCommand, type SpawnedService, spawnService } from "../support/process.ts";
import { freePort, until } from "../support/wait.ts";

/** The built service as a stranger starts it. */
describe("the first minute", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-executor-first-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("prints a curl that works as pasted, and the job is still there after kill -9", async () => {
    const first = await spawnService({ DATA_DIR: folder });
    const printed = await curlsOf(first);

    const pasted = await runCommand("sh", ["-c", printed.post]);
    expect(pasted.stdout).toContain("HTTP/1.1 200 OK");
    expect(pasted.stdout).toContain("ce-type: dev.my-platform.agent.completed");
    expect(pasted.stdout).toContain("Hello! I am an agent described as data.");
    await first.kill("SIGKILL");

    const second = await spawnService({ DATA_DIR: folder });
    await curlsOf(second);
    const job = await get(`${second.url}/jobs/hello-1`);
    expect(job.json()).toMatchObject({ status: "completed", runs: [{ seq: 1 }] });
    await second.kill("SIGTERM");
    expect(await second.exited).toMatchObject({ code: 0 });
  });

  it("does the same on a real Postgres server", async () => {
    await using database = await freshDatabase({ mayLeak: true });
    const env = {
      PG_HOST: database.host,
      PG_PORT: String(database.port),
      PG_USER: database.user,
      PG_DATABASE: database.database,
      ...(database.password && { PG_PASSWORD: database.password }),
    };
    const first = await spawnService(env);
    const pasted = await runCommand("sh", ["-c", (await curlsOf(first)).post]);
    expect(pasted.stdout).toContain("dev.my-platform.agent.completed");
    await first.kill("SIGKILL");

    const second = await spawnService(env);
    await second.waitForHealth();
    expect((await get(`${second.url}/jobs/hello-1`)).json()).toMatchObject({ status: "completed" });
    await second.kill("SIGTERM");
    expect(await second.exited).toMatchObject({ code: 0 });
  });

  it("holds an event that comes while it still connects, and answers it", async () => {
    const service = await spawnService({ DATA_DIR: folder });
    await service.waitForHealth();

    // Embedded Postgres takes its time to unpack: this is asked long before it is there.
    const job = await get(`${service.url}/jobs/unknown`);

    expect(job.status).toBe(404);
    await service.kill("SIGTERM");
  });

  it("refuses a second process on the same data directory, and says what to do", async () => {
    const first = await spawnService({ DATA_DIR: folder });
    await curlsOf(first);

    const second = await spawnService({ DATA_DIR: folder });

    expect(await second.exited).toMatchObject({ code: 1 });
    expect(second.stderr.join("\n")).toMatch(/in use by process \d+.*DATA_DIR/s);
    await first.kill("SIGKILL");
    const third = await spawnService({ DATA_DIR: folder });
    await curlsOf(third); // the lock of a dead process is taken over
    await third.kill("SIGTERM");
  });

  it("says in one line that the port is taken", async () => {
    const first = await spawnService({ DATA_DIR: folder });
    await first.waitForHealth();

    const second = await spawnService({ DATA_DIR: join(folder, "other"), PORT: new URL(first.url).port });

    expect(await second.exited).toMatchObject({ code: 1 });
    expect(second.stderr.join("\n")).toContain("is in use");
    await first.kill("SIGTERM");
  });

  it("lists everything that is wrong with the configuration, and exits within a second", async () => {
    const startedAt = performance.now();
    const port = String(await freePort());
    const service = await spawnService({
      NODE_ENV: "production",
      PORT: port,
      K_SNK: "x",
      MAX_BODY_BYTES: "1",
    });

    expect(await service.exited).toMatchObject({ code: 1 });

    expect(performance.now() - startedAt).toBeLessThan(3000); // 1 s, and the spawning of two test processes
    const message = service.stderr.join("\n");
    for (const part of [
      "PG_HOST or DATABASE_URL",
      "REDIS_HOST, REDIS_URL or VAULT_ADDR",
      "K_SNK",
      "K_SINK",
      "MAX_BODY_BYTES",
    ]) {
      expect(message).toContain(part);
    }
    expect(message).not.toContain(" at ");
  });
});

/** The two commands that the service prints once it is ready. */
async function curlsOf(service: SpawnedService): Promise<{ post: string; get: string }> {
  const commands = await until(
    () => {
      const found = service.stderr.flatMap((line) => /\bcurl .*/.exec(line) ?? []);
      return found.length >= 2 ? found : undefined;
    },
    { what: "the printed curl", timeoutMs: 15_000 },
  );
  return { post: commands[0] ?? "", get: commands[1] ?? "" };
}
