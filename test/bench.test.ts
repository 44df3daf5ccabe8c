import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, it, onTestFinished } from "vitest";
import { applyLoad } from "../bench/load.ts";
import { runCommand } from "./support/process.ts";
import { freePort } from "./support/wait.ts";

type Results = {
  errors: number;
  machine: Record<string, unknown>;
  summary: { roundTrips: { ratio: number; service: { byStatement: Record<string, number> } } };
  rounds: {
    load: { callers: number; server: string; requests: number; p50: number }[];
    start: { server: string; health: number; firstEvent: number }[];
    doors: { door: string; runs: number }[];
  };
};

describe("the benchmark", () => {
  it("measures every row without an error, prints them and writes them down", async () => {
    const folder = await mkdtemp(join(tmpdir(), "agent-executor-bench-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const args = ["--import", "tsx", "bench/main.ts", "--quick", "--seconds", "0.2", "--results", folder];

    const { code, stdout, stderr } = await runCommand(process.execPath, args, { timeoutMs: 110_000 });

    expect(code, stderr).toBe(0);
    for (const title of [
      "Under load",
      "Ratios under load",
      "Start",
      "5-sub-agent",
      "Statements to Postgres",
      "The doors",
      "Telemetry",
      "Noise",
    ]) {
      expect(stdout).toContain(title);
    }
    const [file = "", ...others] = await readdir(folder);
    expect(others).toEqual([]);
    const results: Results = JSON.parse(await readFile(join(folder, file), "utf8"));
    const { load, start } = results.rounds;
    const servers = ["service", "naive", "limit", "echo"];
    expect(results.errors).toBe(0);
    expect(results.machine).toMatchObject({ node: process.versions.node, postgres: expect.any(String) });
    expect(load.map((cell) => `${cell.server} ${cell.callers}`)).toEqual(
      [1, 8, 32].flatMap((callers) => servers.map((server) => `${server} ${callers}`)),
    );
    expect(load.every((cell) => cell.requests > 0 && cell.p50 > 0)).toBe(true);
    expect(start.map(({ server }) => server)).toEqual(["service", "embedded", "eager", "echo"]);
    expect(start.every(({ health, firstEvent }) => health > 0 && firstEvent > health)).toBe(true);
    const { service, ratio } = results.summary.roundTrips;
    const steps = { "saver-writes-carrying": 1, "settle-run-carrying": 1 };
    expect(service.byStatement).toMatchObject({ "accept-run": 1, ...steps });
    expect(ratio).toBeLessThan(0.2);
    expect(results.rounds.doors.map(({ door }) => door)).toEqual(["http", "nats"]);
    expect(results.rounds.doors.every(({ runs }) => runs > 0)).toBe(true);
  }, 120_000);

  it("counts an answer to something else, and none at all, as an error", async () => {
    const answer = JSON.stringify({ job_id: "another", output: "Hello! I am an agent described as data." });
    const server = createServer((_request, response) => response.end(answer)).listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const address = server.address();
    const port = typeof address === "object" ? address?.port : undefined;

    const wrong = await applyLoad(`http://127.0.0.1:${port}`, 2, 0.05);
    const none = await applyLoad(`http://127.0.0.1:${await freePort()}`, 2, 0.05);

    expect(wrong.requests).toBeGreaterThan(0);
    expect(wrong).toMatchObject({ errors: wrong.requests, firstError: `200 ${answer}` });
    expect(none).toMatchObject({
      errors: none.requests,
      firstError: expect.stringContaining("ECONNREFUSED"),
    });
  });
});
