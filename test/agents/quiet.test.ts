import { createServer } from "node:http";
import { type AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { createAgent } from "langchain";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { EchoModel } from "../../src/agents/echo.ts";
import { type ModelServer, startModelServer } from "../support/model-server.ts";
import { agentsWith, nodeWith, scripted } from "./support.ts";

let server: ModelServer;
let traced = "";
/** Stands where LangSmith would and writes down what it is told. */
const smith = createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  text(request).then((body) => {
    traced += body;
    response.end("{}");
  }, response.destroy);
});
beforeAll(async () => {
  server = await startModelServer();
  await new Promise<void>((done) => smith.listen(0, "127.0.0.1", done));
});
afterAll(async () => {
  await server.close();
  smith.closeAllConnections();
  smith.close();
});

/** Every address that this process dials, by TCP or otherwise. */
let dialled: string[] = [];
beforeEach(() => {
  dialled = [];
  server.requests.length = 0;
  traced = "";
  const connect = Socket.prototype.connect;
  vi.spyOn(Socket.prototype, "connect").mockImplementation(function (this: Socket, ...args: unknown[]) {
    const [first] = args.flat() as { host?: string; port?: number; path?: string }[];
    dialled.push(first?.path ?? `${first?.host}:${first?.port}`);
    return Reflect.apply(connect, this, args);
  });
  for (const name of [
    "LANGCHAIN_TRACING_V2",
    "LANGSMITH_TRACING_V2",
    "LANGSMITH_TRACING",
    "LANGCHAIN_TRACING",
  ]) {
    vi.stubEnv(name, "true");
  }
  vi.stubEnv("LANGSMITH_ENDPOINT", `http://127.0.0.1:${(smith.address() as AddressInfo).port}`);
  vi.stubEnv("LANGSMITH_API_KEY", "ls-key");
  vi.stubEnv("OPENAI_LOG", "debug");
  vi.stubEnv("ANTHROPIC_LOG", "debug");
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const DONE = "OURS: all done.";
const LOOKED = "OURS: I looked.";
const ANSWERS = [
  {
    content: "OURS: let me see.",
    tool_calls: [
      { name: "write_todos", args: { todos: [{ content: "OURS", status: "pending" }] } },
      { name: "task", args: { description: "OURS: look.", subagent_type: "general-purpose" } },
    ],
  },
  LOOKED,
  DONE,
];

async function drive(model: object, type: string): Promise<unknown> {
  const openai = { apiKey: "sk-real", baseUrl: server.openaiUrl };
  const anthropic = { apiKey: "sk-real", baseUrl: server.url };
  server.reply(type === "agent" ? [DONE] : ANSWERS);
  const agent = await agentsWith({ providers: { openai, anthropic } }).compile(nodeWith(model, { type }));
  let result: unknown;
  const config = { streamMode: ["messages", "values"] as ("messages" | "values")[], subgraphs: true };
  for await (const part of await agent.graph.stream(agent.toInput("OURS?"), config)) {
    const [, mode, state] = part as [string[], string, unknown];
    if (mode === "values") result = agent.toResult(state).output;
  }
  server.reply(type === "agent" ? [DONE] : ANSWERS);
  const invoked = agent.toResult(await agent.graph.invoke(agent.toInput("OURS?"), {})).output;
  expect(invoked).toBe(DONE);
  return result;
}

describe("a run reaches out to the configured servers and to nobody else", () => {
  const models = {
    openai: { provider: "openai", model: "gpt-4o" },
    anthropic: { provider: "anthropic", model: "claude-sonnet-4-5" },
    chain: {
      provider: "openai",
      model: "gpt-4o",
      fallbacks: [{ provider: "anthropic", model: "claude-sonnet-4-5" }],
    },
    scripted: scripted(...ANSWERS.filter((answer) => answer !== LOOKED)),
  };

  it.each(
    ["openai", "anthropic", "chain", "scripted"].flatMap((provider) => [
      [provider, "agent"],
      [provider, "orchestrator"],
    ]),
  )("with %s as %s, streamed and not, whatever the environment says of tracing", async (provider, type) => {
    const model = type === "agent" && provider === "scripted" ? scripted(DONE) : models[provider as "openai"];

    const said = vi.fn();
    for (const level of ["debug", "info", "log", "warn", "error"] as const) {
      vi.spyOn(console, level).mockImplementation(said);
    }

    expect(await drive(model, type)).toBe(DONE);

    expect(said).not.toHaveBeenCalled();
    const home = new URL(server.url).host;
    expect(dialled.filter((address) => address !== home)).toEqual([]);
    expect(server.requests.length > 0).toBe(provider !== "scripted");
    // Tracers send in batches, later: once the trace of a graph that is not ours is there, ours would be.
    await createAgent({ model: new EchoModel(), tools: [] }).invoke({ messages: "theirs" });
    await vi.waitUntil(() => traced.includes("theirs"), { timeout: 10_000 });
    expect(traced.includes("OURS")).toBe(false); // not toContain, which would print all that was traced
  });
});
