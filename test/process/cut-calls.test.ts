import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { executeEvent } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { type JobState, jobWhen } from "../support/jobs.ts";
import { type McpTestServer, startMcpServer } from "../support/mcp-server.ts";
import { postEvent } from "../support/post.ts";
import { type SpawnedService, spawnService } from "../support/process.ts";
import { until } from "../support/wait.ts";

/** The built service, killed in the middle of a call. */
describe("a call that was cut off by a crash", { timeout: 90_000 }, () => {
  let database: TestDatabase;
  let mcp: McpTestServer;
  let folder = "";
  beforeEach(async () => {
    database = await freshDatabase({ mayLeak: true });
    mcp = await startMcpServer();
    folder = mkdtempSync(join(tmpdir(), "cut-"));
    writeFileSync(join(folder, "mcp.json"), JSON.stringify({ desk: mcp.url }));
  });
  afterEach(async () => {
    await mcp[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  const start = async () => {
    const env = { MCP_SERVERS: join(folder, "mcp.json"), RUN_LEASE_SECONDS: "3" };
    const service = await spawnService({ DATABASE_URL: database.url, ...env });
    await service.waitForHealth();
    return service;
  };
  /** The job as the second service leaves it, when the first was killed in its only call. */
  const cut = async (tool: object, isInCall: (service: SpawnedService) => Promise<boolean>) => {
    const model = { provider: "scripted", responses: [{ tool_calls: [{ name: "t", args: {} }] }, "done"] };
    const nodes = [{ type: "agent", name: "main", model, tools: ["t"] }];
    const job = randomUUID();
    const data = { job_id: job, agent_definition: { tool_definitions: [{ name: "t", ...tool }], nodes } };
    const first = await start();
    await postEvent(first.url, executeEvent(data), { headers: { prefer: "respond-async" } });
    await until(() => isInCall(first), { what: "the call to be made", timeoutMs: 20_000 });
    await first.kill("SIGKILL");
    const second = await start();
    const isOver = ({ status }: JobState) => ["completed", "failed"].includes(status);
    const state = await jobWhen(second.url, job, isOver, { timeoutMs: 40_000 });
    await second.kill("SIGTERM");
    return state;
  };

  it("is not made again where it may have changed something: the run says so", async () => {
    const tool = { runtime: { type: "mcp", server: "desk", tool: "hang" }, timeout_seconds: 60 };

    const state = await cut(tool, async () => mcp.seen.length === 1);

    expect(state).toMatchObject({ status: "failed", error: { code: "tool_outcome_unknown" } });
    expect(mcp.seen).toHaveLength(1);
  });

  it("is made again where it only read", async () => {
    const runtime = { type: "mcp", server: "desk", tool: "hang" };

    const state = await cut(
      { runtime, effect: "read", timeout_seconds: 4 },
      async () => mcp.seen.length === 1,
    );

    expect(state).toMatchObject({ status: "completed" });
    expect(mcp.seen).toHaveLength(2);
    expect(mcp.seen[0]?.key).toMatch(/^[\da-f-]{36}:/);
    expect(mcp.seen[1]?.key).toBe(mcp.seen[0]?.key);
  });

  it("is made again where it was a script", async () => {
    const runtime = { type: "javascript", script: "() => { for (;;); }" };
    const begun = () =>
      database
        .sql("select count(*)::int as n from agent_executor.checkpoints")
        .then(([row]) => Number(row?.["n"]) >= 2);

    const state = await cut({ runtime, timeout_seconds: 4 }, begun);

    expect(state).toMatchObject({ status: "completed" });
  });
});
