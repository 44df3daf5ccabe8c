import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeEvent } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { type McpTestServer, mcpStdioCommand, startMcpServer } from "../support/mcp-server.ts";
import { postEvent } from "../support/post.ts";
import { type SpawnedService, spawnService } from "../support/process.ts";
import { until } from "../support/wait.ts";

/** The built service: its chunks, its sandbox and its WebAssembly, as the image has them. */
describe("the bundle's tools", { timeout: 60_000 }, () => {
  let database: TestDatabase;
  let mcp: McpTestServer;
  let service: SpawnedService;
  let folder = "";
  beforeAll(async () => {
    database = await freshDatabase({ mayLeak: true });
    mcp = await startMcpServer();
    folder = mkdtempSync(join(tmpdir(), "tools-"));
    writeFileSync(join(folder, "mcp.json"), JSON.stringify({ web: mcp.url, local: mcpStdioCommand }));
    writeFileSync(join(folder, "twice.mjs"), "export default ({ n }) => 2 * n");
    service = await spawnService({
      DATABASE_URL: database.url,
      MCP_SERVERS: join(folder, "mcp.json"),
      TOOL_MODULES: `twice=${join(folder, "twice.mjs")}`,
      OPENAI_API_KEY: "sk-of-the-service",
    });
    await service.waitForHealth();
  }, 60_000);
  afterAll(async () => {
    await service.kill("SIGTERM");
    await mcp[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  type Tool = { name: string; [key: string]: unknown };
  /** The run's answer: the model repeats what its last tool said. */
  const run = async (tools: Tool[], calls: object[], context: object = {}) => {
    const model = { provider: "scripted", responses: [{ tool_calls: calls }, "done"] };
    const node = { type: "agent", name: "main", model, tools: tools.map(({ name }) => name) };
    const agent_definition = { tool_definitions: tools, nodes: [node] };
    const job = randomUUID();
    const reply = await postEvent(service.url, executeEvent({ job_id: job, agent_definition, context }));
    expect(reply.json()).toMatchObject({ result: { output: "done" } });
    const rows = await database.sql(
      `select convert_from(blob, 'UTF8') as messages from agent_executor.checkpoint_blobs
        where thread_id = '${job}' and channel = 'messages' order by version desc limit 1`,
    );
    return String(rows[0]?.["messages"]);
  };
  const object = (properties: object) => ({ type: "object", properties });

  it("run: a script, two MCP servers, a module, and memory", async () => {
    const tools = [
      {
        name: "script",
        input_schema: object({ n: { type: "number" }, user: { type: "string" } }),
        inject: { user: "context.user" },
        runtime: {
          type: "javascript",
          script: "async ({ n, user }, ctx) => [user, n + 1, ctx.idempotency_key.length].join(':')",
        },
      },
      { name: "web", runtime: { type: "mcp", server: "web" } },
      { name: "local", runtime: { type: "mcp", server: "local" } },
      { name: "twice", input_schema: object({ n: { type: "number" } }), runtime: { type: "module" } },
      { name: "memory_put", runtime: { type: "builtin" } },
    ];

    const said = await run(
      tools,
      [
        { name: "script", args: { n: 41 } },
        { name: "web_greet", args: { who: "Web" } },
        { name: "local_greet", args: { who: "Local" } },
        { name: "local_environment", args: {} },
        { name: "twice", args: { n: 21 } },
        { name: "memory_put", args: { key: "k", value: "v" } },
      ],
      { user: "ada" },
    );

    expect(said).toMatch(/ada:42:\d\d/);
    for (const each of ["Hello Web, says greet", "Hello Local, says greet", "remembered"]) {
      expect(said).toContain(each);
    }
    expect(said).not.toContain("sk-of-the-service");
    expect(await database.sql("select key, value from agent_executor.memory")).toEqual([
      { key: "k", value: '"v"' },
    ]);
  });

  it("cut an endless script, and the service answers meanwhile", async () => {
    const endless = {
      name: "endless",
      timeout_seconds: 2,
      runtime: { type: "javascript", script: "() => { for (;;); }" },
    };
    const running = run([endless], [{ name: "endless", args: {} }]);

    let slowest = 0;
    let isOver = false;
    const watch = async () => {
      const startedAt = performance.now();
      await fetch(`${service.url}/health`);
      slowest = Math.max(slowest, performance.now() - startedAt);
      return isOver;
    };
    const watching = until(watch, { what: "the script to be cut", timeoutMs: 30_000 });
    const said = await running;
    isOver = true;
    await watching;

    expect(said).toContain("no answer within 2 s");
    expect(slowest).toBeLessThan(1000);
  });

  it("leave nothing behind that would keep the process", async () => {
    expect(await service.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(service.logs.filter(({ level }) => level === "error" || level === "fatal")).toEqual([]);
  });
});
