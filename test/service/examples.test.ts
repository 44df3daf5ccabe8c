import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readDefinition } from "../../src/agents/definition.ts";
import { type McpTestServer, startMcpServer } from "../support/mcp-server.ts";
import { type ModelServer, startModelServer } from "../support/model-server.ts";
import { type Reply, send } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";

const folder = resolve(import.meta.dirname, "../../examples");
const files = readdirSync(folder);
const read = (file: string) => JSON.parse(readFileSync(join(folder, file), "utf8"));
const definitions = files.filter((file) => file.endsWith(".agent.json"));
const events = files.filter((file) => file.endsWith(".event.json"));

describe("the examples", () => {
  let models: ModelServer;
  let service: TestService;
  let desk: McpTestServer;
  const scratch = mkdtempSync(join(tmpdir(), "examples-"));
  beforeAll(async () => {
    models = await startModelServer();
    desk = await startMcpServer();
    writeFileSync(join(scratch, "mcp.json"), JSON.stringify({ desk: desk.url }));
    service = await startTestService({
      OPENAI_BASE_URL: models.openaiUrl,
      ANTHROPIC_BASE_URL: models.url,
      ANTHROPIC_API_KEY: "test-key",
      MCP_SERVERS: join(scratch, "mcp.json"),
    });
  });
  afterAll(async () => {
    await service.close();
    await models.close();
    await desk[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true });
  });
  const post = async (file: string): Promise<Reply> => {
    const headers = { "content-type": "application/cloudevents+json" };
    return await send("POST", service.url, readFileSync(join(folder, file)), { headers });
  };

  it("are definitions, each valid and with an event that carries it as it stands", () => {
    expect(definitions.length).toBeGreaterThanOrEqual(14);
    for (const file of definitions) {
      const definition = read(file);
      expect(() => readDefinition(definition), file).not.toThrow();
      const carriers = events.filter((event) => event.startsWith(file.replace(".agent.json", ".")));
      const carried = carriers.map((event) => read(event).data.agent_definition).filter(Boolean);
      expect(carried, file).toEqual([definition]);
    }
  });

  it.each([
    ["hello.event.json", "Hello! I am an agent described as data."],
    ["echo.event.json", "Is anybody there?"],
    ["planner.event.json", "Done: the summary is in /summary.md."],
    ["conversation.1.event.json", "My name is Ada."],
    ["conversation.2.event.json", "Do you remember my name?"],
    ["openai.event.json", "Hello from the model."],
    ["anthropic-nested.event.json", "Hello from the model."],
    ["javascript-tool.event.json", "Three nights with breakfast are 270 in all, 90 a night."],
    ["mcp-tool.event.json", "Ada has been greeted."],
  ])("%s completes", async (file, output) => {
    const reply = await post(file);

    expect([reply.status, reply.headers["ce-type"]]).toEqual([200, "dev.my-platform.agent.completed"]);
    expect(reply.json()).toMatchObject({ result: { output, status: "completed" } });
  });

  it("leave none untried", () => {
    const tried = [
      "hello",
      "echo",
      "planner",
      "conversation.1",
      "conversation.2",
      "openai",
      "anthropic-nested",
      "javascript-tool",
      "mcp-tool",
      // In examples-wire.test.ts, with what the model server is asked:
      ...["research-team", "review-pipeline", "critic-loop", "approval", "router", "structured-output"],
      ...["tool-step", "named-agent", "graph-module"],
    ];

    expect(events.map((file) => file.replace(".event.json", "")).sort()).toEqual(tried.sort());
  });

  it("really call the script and the MCP server", async () => {
    await post("javascript-tool.event.json");
    await post("mcp-tool.event.json");

    expect(desk.seen).toMatchObject([{ name: "greet", args: { who: "Ada" } }]);
    const rows = await service.database.sql(
      `select convert_from(b.blob, 'UTF8') as messages from agent_executor.checkpoint_blobs b
        where b.thread_id = 'example-javascript-tool' and b.channel = 'messages' order by version desc limit 1`,
    );
    expect(String(rows[0]?.["messages"])).toContain('{\\"room\\":240,\\"total\\":270,\\"per_night\\":90}');
  });

  it("give back the planner's to-do list and its file", async () => {
    const reply = await post("planner.event.json");

    const { result, usage } = reply.json() as { result: { todos: unknown[]; files: object }; usage: object };
    expect(result.todos).toHaveLength(2);
    expect(Object.keys(result.files)).toEqual(["/summary.md"]);
    expect(usage).toMatchObject({ model_calls: 3, tool_calls: 2 });
  });

  it("remember the first turn of the conversation in the second", async () => {
    const rows = await service.database.sql(
      `select convert_from(b.blob, 'UTF8') as messages from agent_executor.checkpoint_blobs b
        where b.thread_id = 'example-conversation' and b.channel = 'messages' order by version desc limit 1`,
    );

    expect(String(rows[0]?.["messages"])).toContain("My name is Ada.");
    expect(String(rows[0]?.["messages"])).toContain("Do you remember my name?");
  });

  it("run the sample event of the service that came before, with its flat nodes and model_name", async () => {
    models.reply(["Hello! How can I help you today?"]);
    const model = { provider: "openai", model_name: "gpt-4o" };
    const node = { type: "orchestrator", name: "main", model, system_prompt: "You are a helpful assistant." };
    const event = {
      specversion: "1.0",
      type: "dev.my-platform.agent.execute",
      source: "test-client",
      id: "test-job-123",
      datacontenttype: "application/json",
      data: {
        job_id: "test-job-123",
        agent_definition: { tool_definitions: [], nodes: [{ ...node, tools: [] }], edges: [] },
        input: { messages: [{ role: "user", content: "Hello!" }] },
      },
    };
    const headers = { "content-type": "application/cloudevents+json" };

    const reply = await send("POST", service.url, JSON.stringify(event), { headers });

    expect(reply.headers["ce-type"]).toBe("dev.my-platform.agent.completed");
    expect(reply.json()).toMatchObject({ result: { output: "Hello! How can I help you today?" } });
    const asked = models.requests.at(-1);
    expect(asked?.json["model"]).toBe("gpt-4o");
  });
});
