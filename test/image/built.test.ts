import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeEvent } from "../support/agents.ts";
import { freshDatabase } from "../support/databases.ts";
import { serviceUrl } from "../support/environment.ts";
import { postEvent } from "../support/post.ts";
import { runCommand, SpawnedService } from "../support/process.ts";
import { killWithUs } from "../support/reaper.ts";
import { freePort } from "../support/wait.ts";
import { isRoot, startOf } from "./layout.ts";

const whyNot =
  (process.env["TEST_IMAGE"] === undefined && "`npm run test:image` does it, as root, with buildah") ||
  (!isRoot && "only root may") ||
  (spawnSync("buildah", ["--version"]).status !== 0 && "there is no buildah (apt-get install buildah)");
if (whyNot) process.stderr.write(`the image is not built: ${whyNot}\n`);

describe.skipIf(whyNot)("the image, built", () => {
  let place = "";
  let image = "";
  beforeAll(async () => {
    place = mkdtempSync(join(tmpdir(), "built-"));
    const { code, stdout, stderr } = await runCommand("test/image/build.sh", [place], { timeoutMs: 300_000 });
    if (code !== 0) throw new Error(stderr.slice(-3000));
    image = stdout.trim();
  }, 310_000);
  afterAll(() => rmSync(place, { recursive: true, force: true }));

  /** The image's own start, as its user, with its folder as root. */
  async function start(given: Record<string, string> = {}): Promise<SpawnedService> {
    const { args, env } = startOf("/");
    const port = await freePort();
    const asItsUser = ["-R", image, "-w", "/app", "-S", "65532", "-G", "65532", "/nodejs/bin/node", ...args];
    const whole = { ...env, HOST: "127.0.0.1", PORT: `${port}`, ...given };
    const child = spawn("unshare", asItsUser, { env: whole, stdio: ["ignore", "pipe", "pipe"] });
    killWithUs(child);
    return new SpawnedService(child, port);
  }

  it("has nothing in /app that its user may change", async () => {
    const found = await runCommand("find", [join(image, "app"), "!", "-uid", "0", "-o", "-perm", "/022"]);

    expect(found).toMatchObject({ code: 0, stdout: "" });
  });

  it("says what is missing, and ends", async () => {
    const service = await start();

    expect(await service.exited).toEqual({ code: 1, signal: null });
    expect(service.stderr.join()).toMatch(/PG_HOST or DATABASE_URL: missing.*REDIS_URL/);
  });

  it("answers an event out of its compile cache, and ends on SIGTERM", async () => {
    await using database = await freshDatabase({ mayLeak: true });
    const service = await start({
      ...{ DATABASE_URL: database.url, REDIS_URL: serviceUrl("redis"), OPENAI_API_KEY: "none" },
      ...{ ALLOW_OFFLINE_MODELS: "true", NODE_DEBUG_NATIVE: "COMPILE_CACHE" },
    });
    await service.waitForHealth();

    const answer = await postEvent(service.url, executeEvent());

    expect(answer.status).toBe(200);
    expect(await service.kill()).toEqual({ code: 0, signal: null });
    const lookups = [...service.stdout, ...service.stderr].filter((line) => /reading cache/.test(line));
    const missed = lookups.filter((line) => !line.includes("success"));
    expect(lookups.length).toBeGreaterThan(50);
    // Loading that one would start the service, while the image is built.
    expect(missed).toEqual([expect.stringContaining("/app/dist/main.js")]);
  });
});
