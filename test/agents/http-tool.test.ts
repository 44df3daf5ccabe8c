import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startModelServer } from "../support/model-server.ts";
import { aTool, callingAgents, definition, told } from "./http-tools.ts";
import { settingsWith } from "./support.ts";
import { answer, startToolServer, type ToolServer } from "./tool-server.ts";

let server: ToolServer;
beforeEach(async () => {
  server = await startToolServer();
});
afterEach(() => server[Symbol.asyncDispose]());

const strings = (...names: string[]) => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
});

describe.each(["agent", "orchestrator"])("a tool of an %s", (type) => {
  it("sends what its definition says, with the arguments in their places, and tells the answer", async () => {
    const create = aTool(server, {
      name: "create-issue",
      input_schema: {
        type: "object",
        properties: {
          ...{ repo: { type: "string" }, title: { type: "string" }, labels: { type: "array" } },
          ...{ count: { type: "integer" }, token: { type: "string" }, extra: {}, missing: {} },
        },
        required: ["repo"],
      },
      runtime: {
        method: "POST",
        url: `${server.url}/repos/{repo}/issues?draft={count}`,
        query: { label: "{labels}", page: 2, gone: "{missing}" },
        headers: { "X-Token": "t-{token}", "X-Gone": "{missing}" },
        body: {
          title: "{title}",
          note: "for {repo}: {count}",
          nested: { count: "{count}", list: ["{labels}", "{missing}"], extra: "{extra}", gone: "{missing}" },
          fixed: [1, null, true, "{{literal}}", "{ not one }"],
        },
      },
    });
    const args = {
      ...{ repo: "a/b c", title: 'say "hi"\n', labels: ["x", "y&z"], count: 3, token: "abc" },
      extra: { deep: [null] },
    };

    const results = await told(definition([create], [{ name: "create-issue", args }], type));

    expect(results).toEqual([['{"ok":true}', "success"]]);
    const [request] = server.seen;
    expect(request).toMatchObject({
      method: "POST",
      url: "/repos/a%2Fb%20c/issues?draft=3&label=x&label=y%26z&page=2",
      headers: { "x-token": "t-abc", "content-type": "application/json", "user-agent": "agent-executor" },
    });
    expect(request?.headers).not.toHaveProperty("x-gone");
    expect(request?.headers).not.toHaveProperty("idempotency-key"); // no run, no journal
    expect(JSON.parse(request?.body ?? "")).toEqual({
      title: 'say "hi"\n',
      note: "for a/b c: 3",
      nested: { count: 3, list: [["x", "y&z"], null], extra: { deep: [null] } },
      fixed: [1, null, true, "{literal}", "{ not one }"],
    });
  });

  it("may be called several times at once", async () => {
    const tool = aTool(server, { input_schema: strings("q"), runtime: { url: `${server.url}/{q}` } });
    server.reply((request, response) => response.end(request.url));
    const calls = ["a", "b", "c"].map((q) => ({ name: "look", args: { q } }));

    const results = await told(definition([tool], calls, type));

    expect(results.map(([text]) => text)).toEqual(["/a", "/b", "/c"]);
    expect(server.seen).toHaveLength(3);
  });

  it("tells the model of arguments that do not fit, and calls nothing", async () => {
    const input_schema = { ...strings("city"), required: ["city"] };
    const tool = aTool(server, { input_schema, runtime: { url: `${server.url}/{city}` } });
    const calls = [{}, { city: 5 }, { city: "" }].map((args) => ({ name: "look", args }));

    const results = await told(definition([tool], calls, type));

    expect(results.map(([, status]) => status)).toEqual(["error", "error", "error"]);
    expect(results[0]?.[0]).toBe(
      "The arguments do not fit: the arguments must have required properties city. Nothing was called.",
    );
    expect(results[1]?.[0]).toContain("/city must be string");
    expect(results[2]?.[0]).toContain("city is empty");
    expect(server.seen).toEqual([]);
  });

  it("tells the model of a refusing server", async () => {
    server.reply(answer(404, "no such thing"));
    const results = await told(definition([aTool(server)], [{ name: "look" }], type));
    expect(results).toEqual([["HTTP 404 Not Found\nno such thing", "error"]]);
  });
});

describe("what a model is told of the tools", () => {
  it("is their name, their description and their schema", async () => {
    await using model = await startModelServer();
    const tools = [
      aTool(server, {
        description: "Looks.",
        input_schema: { ...strings("q"), properties: { q: { pattern: "^a+$" } } },
      }),
      aTool(server, { name: "bare" }),
    ];
    const node = { type: "agent", name: "main", tools: ["look", "bare"], model: { model: "m" } };
    const settings = settingsWith({ providers: { openai: { baseUrl: model.openaiUrl }, anthropic: {} } });
    const agent = await callingAgents({ settings: () => settings }).compile({
      tool_definitions: tools,
      nodes: [node],
    });

    await agent.graph.invoke(agent.toInput("Hi"), {});

    expect(model.requests[0]?.json["tools"]).toMatchObject([
      {
        function: {
          ...{ name: "look", description: "Looks." },
          parameters: { type: "object", properties: { q: { pattern: "^a+$" } } },
        },
      },
      { function: { name: "bare", parameters: { type: "object", properties: {} } } },
    ]);
  });

  it("is of the tools that their node names, and of no others", async () => {
    const body = { ...definition([aTool(server), aTool(server, { name: "other" })], [{ name: "other" }]) };
    const named = { ...body, nodes: [{ ...(body as { nodes: object[] }).nodes[0], tools: ["look"] }] };
    expect(await told(named)).toEqual([
      [expect.stringContaining("other is not a valid tool, try one of [look]"), "error"],
    ]);
    expect(server.seen).toEqual([]);
  });
});

describe("an abort", () => {
  it.each(["agent", "orchestrator"])("reaches the request of an %s, and is no tool result", async (type) => {
    const cut = new Promise<void>((done) => server.reply((_request, response) => response.on("close", done)));
    const agent = await callingAgents().compile(definition([aTool(server)], [{ name: "look" }], type));
    const abort = new AbortController();
    const run = agent.graph.invoke(agent.toInput("go"), { signal: abort.signal });
    await expect.poll(() => server.seen.length).toBe(1);
    abort.abort(new Error("stop it"));
    await expect(run).rejects.toThrow();
    await cut;
  });
});
