import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCommand, type SpawnedService, spawnService } from "../support/process.ts";
import { until } from "../support/wait.ts";

const root = resolve(import.meta.dirname, "../..");
const read = (path: string) => readFile(join(root, path), "utf8");

/**
 * Only these are run, by what they begin with: documents say `npm ci` too, and a test that ran it would
 * take the packages away from under all that is running.
 */
const RUN_HERE = /^(curl|npx agent-executor) (?![\s\S]*(&&|;|\||\bnpm\b))/;

/** Never run here; tried elsewhere, or by whoever got this far. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  "npm ci",
  "npm start",
  "npm ci && npm start",
  "npm ci && npm test",
  "npm run demo",
  "docker build -t registry.example.com/agent-executor:0.1.0 .",
  "kubectl apply -k knative        # Knative; or knative/keda: a Deployment, NATS and KEDA",
]);

type Block = { commands: string[]; printed: string | undefined };

/** A command goes on in lines that are indented. */
async function blocksOf(file: string): Promise<Block[]> {
  const blocks = (await read(file)).matchAll(/^```sh\n([\s\S]*?)^```\n(?:\n```\n([\s\S]*?)^```)?/gm);
  return [...blocks].map(([, text = "", printed]) => ({ commands: text.trim().split(/\n(?=\S)/), printed }));
}

const FILES = ["README.md", "docs/quickstart.md", "examples/README.md"];

describe("the commands of the README and the quickstart", () => {
  let folder: string;
  let service: SpawnedService;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-executor-commands-"));
    service = await spawnService({ DATA_DIR: folder });
    const ready = () => service.stderr.some((line) => line.includes("curl -i"));
    await until(ready, { what: "the service", timeoutMs: 30_000 });
  });
  afterAll(async () => {
    await service.kill("SIGTERM");
    await rm(folder, { recursive: true });
  });

  it.each(FILES)("of %s are known, each of them, before any is run", async (file) => {
    const commands = (await blocksOf(file)).flatMap((block) => block.commands);

    expect(commands.length).toBeGreaterThan(0);
    expect(commands.filter((each) => !RUN_HERE.test(each) && !ELSEWHERE.has(each))).toEqual([]);
  });

  it.each(FILES)("of %s do what it says", { timeout: 60_000 }, async (file) => {
    for (const { commands, printed } of await blocksOf(file)) {
      for (const command of commands.filter((each) => RUN_HERE.test(each))) {
        const stdout = await runHere(command);
        if (command.startsWith("curl -i")) expect(stdout).toContain("HTTP/1.1 200 OK");
        // "…" stands for what is different each time.
        for (const part of (printed ?? "").split(/…|\n/).filter((each) => each.trim() !== "")) {
          expect(stdout, command).toContain(part);
        }
      }
    }
  });

  /** On the port that this service has, and on what is built already. */
  async function runHere(command: string): Promise<string> {
    const here = command
      .replaceAll("127.0.0.1:8080", `127.0.0.1:${service.port}`)
      .replaceAll("npx agent-executor", `${process.execPath} dist/cli.js`);
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME, AGENT_EXECUTOR_URL: service.url };
    const { code, stdout, stderr } = await runCommand("sh", ["-e", "-c", here], { env });
    expect(code, `${command}\n${stdout}${stderr}`).toBe(0);
    return stdout;
  }

  it("that are not run here are those of package.json", async () => {
    const { scripts, bin } = JSON.parse(await read("package.json"));

    expect(scripts.start).toBe("npm run --silent build && node dist/main.js");
    expect(scripts.demo).toBe("npm run --silent build && node dist/cli.js demo crash");
    expect(bin["agent-executor"]).toBe("dist/cli.js"); // what npx finds in this folder
    expect((await runCommand(process.execPath, [bin["agent-executor"], "--help"])).stdout).toContain(
      "Usage:",
    );
  });
});
