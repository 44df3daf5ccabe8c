import { spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { type BuildOptions, build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { serviceUrl } from "../support/environment.ts";
import { get, send } from "../support/post.ts";
import { SpawnedService } from "../support/process.ts";
import { killWithUs } from "../support/reaper.ts";
import { freePort, until } from "../support/wait.ts";
import { asForeign, contentOf, isRoot, layOut, makeWritable, startOf } from "./layout.ts";

const root = resolve(import.meta.dirname, "../..");

/** What runs in the image, without the image: its files, nobody's user, and nothing to write to but one folder. */
describe("the content of the image", () => {
  let place = "";
  let scratch = "";
  let database: TestDatabase;
  beforeAll(async () => {
    place = mkdtempSync(join(tmpdir(), "image-"));
    scratch = mkdtempSync(join(tmpdir(), "image-tmp-"));
    chmodSync(scratch, 0o777);
    database = await freshDatabase({ mayLeak: true });
    await layOut(place);
    if (!isRoot)
      process.stdout.write("not root: the image's content runs as this user, not as a foreign one\n");
  }, 60_000);
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
    makeWritable(place);
    for (const folder of [place, scratch]) rmSync(folder, { recursive: true, force: true });
  });

  async function start(): Promise<SpawnedService> {
    const port = await freePort();
    const { args, cwd, env } = startOf(place);
    const given = {
      DATABASE_URL: database.url,
      REDIS_URL: serviceUrl("redis"),
      OPENAI_API_KEY: "none",
      ALLOW_OFFLINE_MODELS: "true",
      EGRESS_ALLOW: "127.0.0.1",
    };
    const child = spawn(process.execPath, args, {
      cwd,
      env: { ...env, ...given, PORT: String(port), HOST: "127.0.0.1", TMPDIR: scratch, HOME: "/nonexistent" },
      stdio: ["ignore", "pipe", "pipe"],
      ...asForeign,
    });
    killWithUs(child);
    return new SpawnedService(child, port);
  }

  it.each(["agent", "orchestrator"])(
    "does a run of an %s, changes no file, and ends on SIGTERM",
    async (type) => {
      const before = contentOf(place);
      await using service = await start();
      await service.waitForHealth();
      await until(async () => (await get(`${service.url}/ready`)).status === 200, { what: "ready" });

      const model = { provider: "scripted", model: "any", responses: [`Hello from an ${type}.`] };
      const data = {
        job_id: type,
        agent_definition: { nodes: [{ type, name: "greeter", model }] },
        input: "Hi",
      };
      const event = {
        specversion: "1.0",
        id: type,
        source: "test",
        type: "dev.my-platform.agent.execute",
        data,
      };
      const headers = { "content-type": "application/cloudevents+json" };
      const answer = await send("POST", `${service.url}/`, JSON.stringify(event), { headers });
      const exit = await service.kill("SIGTERM");

      expect(answer.status).toBe(200);
      expect(answer.json()).toMatchObject({ result: { output: `Hello from an ${type}.` } });
      expect(exit).toEqual({ code: 0, signal: null });
      expect(service.stderr).toEqual([]);
      expect(service.logs.map(({ message }) => message)).toContain("profile: production");
      expect(contentOf(place)).toEqual(before);
    },
  );

  async function commandLine(...words: string[]): Promise<{ code: number | null; said: string }> {
    const { cwd, env } = startOf(place);
    const child = spawn(process.execPath, ["dist/cli.js", ...words], { cwd, env, ...asForeign });
    killWithUs(child);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
    return { code: await new Promise((done) => child.once("close", done)), said };
  }

  it("runs the command line too", async () => {
    const { code, said } = await commandLine("schema");

    expect(code).toBe(0);
    expect(JSON.parse(said)).toHaveProperty("properties");
  });

  it("reads YAML, which only the bundle could fail to", async () => {
    const file = join(scratch, "greeter.yaml");
    copyFileSync(join(root, "examples/agents/greeter.yaml"), file);

    expect(await commandLine("validate", file)).toEqual({ code: 0, said: "the definition is valid\n" });
  });

  it("says that it has no embedded Postgres, and ends", async () => {
    const file = join(scratch, "hello.json");
    copyFileSync(join(root, "examples/hello.agent.json"), file);

    const { code, said } = await commandLine("run", file, "--input", "Hi");

    expect([code, said]).toEqual([1, expect.stringContaining("no embedded Postgres is installed here")]);
  });

  it("passes the licences of its packages on", () => {
    const licences = readFileSync(join(place, "app/dist/licences.txt"), "utf8");

    for (const name of ["fastify", "@langchain/core", "@jitl/quickjs-wasmfile-release-sync"]) {
      expect(licences).toMatch(new RegExp(`^==== ${name} [\\d.]+ \\(MIT\\) ====\\n\\n\\S`, "m"));
    }
  });

  it("is small, and holds nothing of development: no tests, no packages, no embedded Postgres", () => {
    const files = contentOf(place).map((line) => line.split(" ")[0] ?? "");
    const bytes = contentOf(place).reduce((sum, line) => sum + Number(line.split(" ")[1]), 0);

    expect(
      readdirSync(join(place, "app"))
        .filter((name) => name !== "compile-cache")
        .sort(),
    ).toEqual(["LICENSE", "agent-executor.cdx.json", "dist", "package.json"]);
    expect(files.filter((file) => /node_modules|\.test\.|\.map$|pglite|\.env|\.pem$/.test(file))).toEqual([]);
    expect(bytes).toBeLessThan(24 * 1024 * 1024);
  });
});

/** Bundled, nothing written: what came out of what. */
async function analyse(entryPoints: string[], options: Pick<BuildOptions, "external" | "packages">) {
  const { metafile } = await build({
    ...options,
    ...{ entryPoints, bundle: true, splitting: true, format: "esm", platform: "node" },
    ...{ write: false, outdir: "out", logLevel: "silent" },
    metafile: true,
  });
  return metafile;
}

describe("the bundle", () => {
  it("needs no package at run time but those of development, and one that is done without", async () => {
    const entryPoints = ["main", "cli", "index"].map((name) => `dist/${name}.js`);
    const { outputs } = await analyse(entryPoints, { packages: "external" });

    const outside = Object.values(outputs)
      .flatMap(({ imports }) => imports)
      .filter(({ external, path }) => external && !isBuiltin(path));

    // A new one here is missing in the image: bundle it (scripts/build.ts), or copy it in the Dockerfile.
    expect([...new Set(outside.map(({ path }) => path))].sort()).toEqual([
      "@electric-sql/pglite",
      "@electric-sql/pglite-prepopulatedfs",
      "ws", // of LangGraph's SDK, which takes Node's own WebSocket without it
    ]);
  });

  it("takes a CommonJS package that is loaded when needed by its default: no other name is there", async () => {
    const entryPoints = ["main", "cli", "index"].map((name) => `src/${name}.ts`);
    const external = ["@electric-sql/*", "pg-native"];
    const { inputs } = await analyse(entryPoints, { external });

    const ours = Object.entries(inputs).filter(([file]) => file.startsWith("src/"));
    const lazy = ours.flatMap(([file, { imports }]) =>
      imports
        .filter(({ kind, path }) => kind === "dynamic-import" && inputs[path]?.format === "cjs")
        .map(({ original = "" }) => ({ file, original })),
    );

    // From source Node gives the names all the same, so no other test would see it.
    expect(lazy.length).toBeGreaterThan(0);
    expect(lazy.filter(({ file, original }) => !takesDefault(file, original))).toEqual([]);
  });
});

/** In all places of the file: `(await import("x")).default`, or `{ default: y } = await import("x")`. */
function takesDefault(file: string, name: string): boolean {
  const load = `await import("${name}")`;
  const rest = readFileSync(join(root, file), "utf8")
    .replaceAll(`(${load}).default`, "")
    .replace(/\{ default: \w+ \} = await import\("[^"]+"\)/g, "");
  return !rest.includes(`import("${name}")`);
}
