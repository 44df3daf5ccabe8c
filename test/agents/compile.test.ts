import { MemorySaver } from "@langchain/langgraph";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CompiledAgent } from "../../src/agents/compile.ts";
import { definitionHash } from "../../src/agents/definition-hash.ts";
import { type ModelServer, startModelServer } from "../support/model-server.ts";
import { agentsWith, errorOf, nodeWith, runOnce, scripted, settingsWith } from "./support.ts";

const echo = { provider: "echo" };

describe("a compiled agent", () => {
  it("knows its name, its hash and its limits", async () => {
    const body = { ...nodeWith(echo), name: "helper", limits: { steps: 5 } };
    const agent = await agentsWith().compile(body);
    expect(agent).toMatchObject({ name: "helper", hash: definitionHash(body), limits: { steps: 5 } });
    expect((await agentsWith().compile(nodeWith(echo))).name).toBe("main");
  });

  it("runs the messages of its input", async () => {
    const agent = await agentsWith().compile(nodeWith(echo));
    const messages = [
      { role: "system", content: "s" },
      { role: "user", content: "first" },
      { role: "assistant", content: "answer" },
      { role: "user", content: [{ type: "text", text: "second" }] },
    ];
    expect(await runOnce(agent, { messages })).toEqual({ output: "second", status: "completed" });
  });

  it("refuses a definition before anything is built", async () => {
    const error = await errorOf(() => agentsWith().compile({ nodes: [] }));
    expect(error).toMatchObject({ code: "invalid_definition", path: "/nodes" });
  });
});

/** What a thread holds after this turn, as texts. */
async function turn(agent: CompiledAgent, saver: MemorySaver, text: string, thread = "t"): Promise<string[]> {
  const configurable = { thread_id: thread, __pregel_checkpointer: saver };
  const state = await agent.graph.invoke(agent.toInput(text), { configurable, durability: "sync" });
  return (state["messages"] as { text: string }[]).map((message) => message.text);
}

describe.each(["agent", "orchestrator"])("a saver handed to one run of an %s", (type) => {
  it("keeps the thread: the next turn sees the one before", async () => {
    const saver = new MemorySaver();
    const agent = await agentsWith().compile(nodeWith(echo, { type }));

    await turn(agent, saver, "one");

    expect(await turn(agent, saver, "two")).toEqual(["one", "one", "two", "two"]);
    expect(await turn(agent, saver, "other", "u")).toEqual(["other", "other"]);
    expect(await turn(agent, new MemorySaver(), "new")).toEqual(["new", "new"]);
  });

  it("gets its checkpoints under the root namespace", async () => {
    const saver = new MemorySaver();
    await turn(await agentsWith().compile(nodeWith(echo, { type })), saver, "one");
    const namespaces = new Set<unknown>();
    for await (const { config } of saver.list({ configurable: { thread_id: "t" } })) {
      namespaces.add(config.configurable?.["checkpoint_ns"]);
    }
    expect([...namespaces]).toEqual([""]);
  });

  it("is not remembered by the graph, nor is anything else of the run", async () => {
    const agent = await agentsWith().compile(nodeWith(echo, { type }));
    await turn(agent, new MemorySaver(), "secret");
    expect((await runOnce(agent, "hello")).output).toBe("hello");
    const both = await Promise.all([
      turn(agent, new MemorySaver(), "a"),
      turn(agent, new MemorySaver(), "b"),
    ]);
    expect(both).toEqual([
      ["a", "a"],
      ["b", "b"],
    ]);
  });

  it("lets a run that was cut go on from its last step", async () => {
    const saver = new MemorySaver();
    const plan = { name: "write_todos", args: { todos: [{ content: "x", status: "pending" }] } };
    const steps = type === "agent" ? [] : [{ content: "step", tool_calls: [plan] }];
    const script = nodeWith(scripted(...steps, { content: "done", delay_ms: 100 }), { type });
    const configurable = { thread_id: "t", __pregel_checkpointer: saver };
    const config = { configurable, durability: "sync" as const };
    const first = await agentsWith().compile(script);
    const cut = first.graph.invoke(first.toInput("go"), { ...config, signal: AbortSignal.timeout(40) });
    await expect(cut).rejects.toThrow();

    const other = await agentsWith().compile(script); // as another process would
    const { output } = other.toResult(await other.graph.invoke(null, config));

    expect(output).toBe("done");
  });
});

describe("compiled agents are kept", () => {
  const watched = (changes = {}) => {
    const seen: string[] = [];
    return { seen, agents: agentsWith(changes, { onCache: (result) => seen.push(result) }) };
  };

  it("by what the definition says, whatever the order of its keys", async () => {
    const { seen, agents } = watched();
    const one = await agents.compile({
      nodes: [{ name: "a", model: echo }],
      limits: { steps: 1, tokens: 2 },
    });
    const other = await agents.compile({
      limits: { tokens: 2, steps: 1 },
      nodes: [{ model: echo, name: "a" }],
    });
    expect(other).toBe(one);
    expect(seen).toEqual(["miss", "hit"]);
  });

  it("by a hash that is known, and then the definition is not even loaded", async () => {
    const { seen, agents } = watched();
    let loaded = 0;
    const load = async () => {
      loaded++;
      return nodeWith(echo);
    };
    const all = await Promise.all([agents.compile("h1", load), agents.compile("h1", load)]);
    await agents.compile("h1", load);
    expect(all[0]).toBe(all[1]);
    expect(all[0].hash).toBe("h1");
    expect(loaded).toBe(1);
    expect(seen).toEqual(["miss", "hit", "hit"]);
  });

  it("but failures are not", async () => {
    const { seen, agents } = watched();
    await errorOf(() => agents.compile({}));
    await errorOf(() => agents.compile({}));
    expect(seen).toEqual(["miss", "miss"]);
  });

  it("only as many as the budget holds", async () => {
    const { seen, agents } = watched();
    const small = agentsWith({}, { cache: { maxBytes: 160_000 }, onCache: (result) => seen.push(result) });
    const compile = (name: string) => small.compile(nodeWith(echo, { name }));
    for (const name of ["a", "b", "c", "d", "d", "a"]) await compile(name);
    expect(seen).toEqual(["miss", "miss", "miss", "miss", "hit", "miss"]);
    await agents.compile(nodeWith(echo));
  });
});

describe("what the operator changes while agents are kept", () => {
  let server: ModelServer;
  let moved: ModelServer;
  beforeAll(async () => {
    [server, moved] = await Promise.all([startModelServer(), startModelServer()]);
  });
  afterAll(() => Promise.all([server.close(), moved.close()]));

  it("holds for the next run: a server that moved, offline models that are refused", async () => {
    let now = settingsWith({ providers: { openai: { baseUrl: server.openaiUrl }, anthropic: {} } });
    const agents = agentsWith({}, { settings: () => now });
    const body = nodeWith({ model: "m" });
    await runOnce(await agents.compile(body), "Hi");
    await agents.compile(nodeWith(echo));

    now = settingsWith({
      providers: { openai: { baseUrl: moved.openaiUrl }, anthropic: {} },
      offlineModels: false,
    });
    await runOnce(await agents.compile(body), "Hi");

    expect([server.requests.length, moved.requests.length]).toEqual([1, 1]);
    expect((await errorOf(() => agents.compile(nodeWith(echo)))).code).toBe("offline_model_refused");
  });
});
