import type { BaseMessage, ToolMessage } from "@langchain/core/messages";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Agents, AgentsOptions } from "../../src/agents/compile.ts";
import { readEgressAllow } from "../../src/agents/egress-allow.ts";
import { startModelServer } from "../support/model-server.ts";
import { agentsWith, scripted, settingsWith } from "./support.ts";
import { answer, closedPort, startToolServer, type ToolServer } from "./tool-server.ts";

let server: ToolServer;
beforeEach(async () => {
  server = await startToolServer();
});
afterEach(() => server[Symbol.asyncDispose]());

const egress = { allow: readEgressAllow(["127.0.0.1"]) };
const agents = (options: Partial<AgentsOptions> = {}): Agents => agentsWith({}, { egress, ...options });
type Call = { name: string; args?: object };
type ToolChanges = { runtime?: object; [key: string]: unknown };

const strings = (...names: string[]) => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
});

function aTool({ runtime = {}, ...changes }: ToolChanges = {}): object {
  return {
    name: "look",
    runtime: { type: "http", method: "GET", url: `${server.url}/`, ...runtime },
    ...changes,
  };
}

function definition(tools: object[], calls: Call[], type = "agent"): object {
  const names = tools.map((tool) => (tool as { name: string }).name);
  const model = scripted({ tool_calls: calls }, "done");
  return { tool_definitions: tools, nodes: [{ type, name: "main", tools: names, model }] };
}

/** What the model was told by its tools. */
async function told(
  body: object,
  options: Partial<AgentsOptions> = {},
  hash?: string,
): Promise<[string, string | undefined][]> {
  const agent = await agents(options).compile(body, hash);
  const { messages } = (await agent.graph.invoke(agent.toInput("go"), {})) as { messages: BaseMessage[] };
  expect(messages.at(-1)?.text).toBe("done");
  const results = messages.filter((message): message is ToolMessage => message.getType() === "tool");
  return results.map((message) => [message.text, message.status]);
}

/** One call of one tool, in a plain agent. */
const toldOf = async (changes: ToolChanges, args: object = {}, options: Partial<AgentsOptions> = {}) =>
  (await told(definition([aTool(changes)], [{ name: "look", args }]), options))[0];

describe.each(["agent", "orchestrator"])("a tool of an %s", (type) => {
  it("sends what its definition says, with the arguments in their places, and tells the answer", async () => {
    const create = aTool({
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
    const tool = aTool({ input_schema: strings("q"), runtime: { url: `${server.url}/{q}` } });
    server.reply((request, response) => response.end(request.url));
    const calls = ["a", "b", "c"].map((q) => ({ name: "look", args: { q } }));

    const results = await told(definition([tool], calls, type));

    expect(results.map(([text]) => text)).toEqual(["/a", "/b", "/c"]);
    expect(server.seen).toHaveLength(3);
  });

  it("tells the model of arguments that do not fit, and calls nothing", async () => {
    const input_schema = { ...strings("city"), required: ["city"] };
    const tool = aTool({ input_schema, runtime: { url: `${server.url}/{city}` } });
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
    const results = await told(definition([aTool()], [{ name: "look" }], type));
    expect(results).toEqual([["HTTP 404 Not Found\nno such thing", "error"]]);
  });
});

describe("what a model is told of the tools", () => {
  it("is their name, their description and their schema", async () => {
    await using model = await startModelServer();
    const tools = [
      aTool({
        description: "Looks.",
        input_schema: { ...strings("q"), properties: { q: { pattern: "^a+$" } } },
      }),
      aTool({ name: "bare" }),
    ];
    const node = { type: "agent", name: "main", tools: ["look", "bare"], model: { model: "m" } };
    const settings = settingsWith({ providers: { openai: { baseUrl: model.openaiUrl }, anthropic: {} } });
    const agent = await agents({ settings: () => settings }).compile({
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
    const body = { ...definition([aTool(), aTool({ name: "other" })], [{ name: "other" }]) };
    const named = { ...body, nodes: [{ ...(body as { nodes: object[] }).nodes[0], tools: ["look"] }] };
    expect(await told(named)).toEqual([
      [expect.stringContaining("other is not a valid tool, try one of [look]"), "error"],
    ]);
    expect(server.seen).toEqual([]);
  });
});

describe("a body", () => {
  const post = (body: unknown, headers: object = {}) => ({
    input_schema: { type: "object", properties: { a: {}, b: {} } },
    runtime: { method: "POST", body, headers },
  });

  it.each([
    ["{a}", { a: [1, { b: null }] }, '[1,{"b":null}]', "application/json"],
    ["{a}", { a: "text" }, '"text"', "application/json"],
    ["{a}", {}, "", undefined],
    ["{a} of {b}", { a: "one", b: 2 }, "one of 2", "text/plain; charset=utf-8"],
    [{ a: "{a}", b: "{b}" }, { a: null }, '{"a":null}', "application/json"],
    [["{a}", "{b}"], { b: 1 }, "[null,1]", "application/json"],
    [{ "{a}": "{a}" }, { a: 1 }, '{"{a}":1}', "application/json"],
    ["", {}, "", "text/plain; charset=utf-8"],
  ])("of %j with %j", async (body, args, sent, type) => {
    expect((await toldOf(post(body), args))?.[1]).toBe("success");
    expect(server.seen[0]?.body).toBe(sent);
    expect(server.seen[0]?.headers["content-type"]).toBe(type);
  });

  it("of a form", async () => {
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    await toldOf(post({ a: "{a}", b: "x={b}" }, headers), { a: "1&b=2", b: "ü" });
    expect(server.seen[0]?.body).toBe("a=1%26b%3D2&b=x%3D%C3%BC");
    expect(server.seen[0]?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
  });

  it("keeps a type of its own", async () => {
    await toldOf(post({ a: 1 }, { "content-TYPE": "application/vnd.x+json" }));
    expect(server.seen[0]?.headers["content-type"]).toBe("application/vnd.x+json");
  });
});

describe("hostile arguments", () => {
  const schema = { type: "object", properties: { a: {}, b: {} } };

  it.each([
    "..",
    ".",
    "../admin",
    "a/../../b",
    "..\\admin",
    "x/..",
    "",
    "\ud800",
    { toString: 1, a: "/../" },
  ])("%j does not get into a path", async (a) => {
    const result = await toldOf({ input_schema: schema, runtime: { url: `${server.url}/v1/{a}/x` } }, { a });
    expect(result?.[1]).toBe("error");
    expect(result?.[0]).toContain("Nothing was called");
    expect(server.seen).toEqual([]);
  });

  it("two of them do not make dots together", async () => {
    const runtime = { url: `${server.url}/v1/{a}{b}/x` };
    expect((await toldOf({ input_schema: schema, runtime }, { a: ".", b: "." }))?.[1]).toBe("error");
    const half = { url: `${server.url}/v1/x.{a}` };
    expect((await toldOf({ input_schema: schema, runtime: half }, { a: "json" }))?.[1]).toBe("success");
    expect(server.seen.map(({ url }) => url)).toEqual(["/v1/x.json"]);
  });

  it.each([
    ["%2e%2e%2fadmin", "/v1/%252e%252e%252fadmin"],
    ["@evil.example/", "/v1/%40evil.example%2F"],
    ["//evil.example", "/v1/%2F%2Fevil.example"],
    ["x?y=1#z", "/v1/x%3Fy%3D1%23z"],
    ["a\r\nHost: evil", "/v1/a%0D%0AHost%3A%20evil"],
    ["{b}", "/v1/%7Bb%7D"],
    [{ b: 1 }, "/v1/%7B%22b%22%3A1%7D"],
    [0, "/v1/0"],
    [false, "/v1/false"],
  ])("%j stays one segment", async (a, url) => {
    const result = await toldOf({ input_schema: schema, runtime: { url: `${server.url}/v1/{a}` } }, { a });
    expect(result?.[1]).toBe("success");
    expect(server.seen).toMatchObject([{ url, headers: { host: `127.0.0.1:${server.port}` } }]);
  });

  it("do not add to a query", async () => {
    const runtime = { url: `${server.url}/?a={a}`, query: { b: "{b}" } };
    await toldOf({ input_schema: schema, runtime }, { a: "1&admin=1", b: "2&admin=2#x" });
    expect(server.seen[0]?.url).toBe("/?a=1%26admin%3D1&b=2%26admin%3D2%23x");
  });

  it.each(["a\r\nX-Evil: 1", "a\nb", "a\u0000b", "日本"])("%j does not get into a header", async (a) => {
    const result = await toldOf({ input_schema: schema, runtime: { headers: { "x-a": "{a}" } } }, { a });
    expect(result).toEqual([expect.stringContaining("the header x-a would hold characters"), "error"]);
    expect(server.seen).toEqual([]);
  });

  it("that are inherited are no arguments", async () => {
    const input_schema = { type: "object", properties: { hasOwn: {} } };
    const runtime = { url: `${server.url}/{hasOwn}` };
    expect((await toldOf({ input_schema, runtime }, {}))?.[0]).toContain("hasOwn is missing");
  });

  it("nested without end are refused", async () => {
    let deep: unknown = 1;
    for (let i = 0; i < 200; i++) deep = [deep];
    const tool = aTool({ input_schema: schema, runtime: { query: { a: "{a}" } } });
    const body = definition([tool], [{ name: "look", args: { a: deep } }]);
    expect(await told(body, {}, "hash")).toEqual([[expect.stringContaining("nested deeper"), "error"]]);
  });
});

describe("an answer", () => {
  it("is cut at 256 KiB, and an error's body at 4 KiB", async () => {
    server.reply(answer(200, "é".repeat(200_000)));
    const [long] = (await toldOf({})) ?? [];
    expect(Buffer.byteLength(long ?? "")).toBeLessThan(256 * 1024 + 100);
    expect(long).toMatch(/\[cut off: the answer is longer than 262144 bytes\]$/);
    server.reply(answer(500, "é".repeat(200_000)));
    const [error, status] = (await toldOf({})) ?? [];
    expect(status).toBe("error");
    expect(Buffer.byteLength(error ?? "")).toBeLessThan(4200);
  });

  it("that never ends is not waited for", async () => {
    server.reply((_request, response) => {
      response.writeHead(200, { "content-type": "text/plain" });
      const fill = () => {
        while (response.write("x".repeat(65_536)));
      };
      response.on("drain", fill);
      fill();
    });
    expect((await toldOf({}))?.[0]).toMatch(/cut off/);
  });

  it.each([
    [204, "", {}, "HTTP 204 No Content, no content", "success"],
    [200, "a\u0000b", { "content-type": "image/png" }, "[3 bytes of image/png, not shown]", "success"],
    [200, "x", { "content-encoding": "gzip" }, "[1 bytes of text/plain, gzip, not shown]", "success"],
    [200, "x", { "content-type": "text/plain; charset=nonsense" }, "x", "success"],
    [302, "", { location: "http://169.254.169.254/" }, "HTTP 302 Found: redirects are not followed", "error"],
    [304, "", {}, "HTTP 304 Not Modified: redirects are not followed", "error"],
    [400, "", {}, "HTTP 400 Bad Request", "error"],
  ])("of %d %j %j", async (status, body, headers, text, outcome) => {
    server.reply(answer(status, body, headers));
    expect(await toldOf({})).toEqual([text, outcome]);
    expect(server.seen).toHaveLength(1);
  });

  it("in another charset is read in it", async () => {
    server.reply((_request, response) => {
      response.writeHead(200, { "content-type": "text/plain; charset=iso-8859-1" });
      response.end(Buffer.from("Grüße", "latin1"));
    });
    expect((await toldOf({}))?.[0]).toBe("Grüße");
  });

  it("that does not come in time is an error, and a write is told that it may have happened", async () => {
    server.reply(() => undefined);
    expect(await toldOf({ timeout_seconds: 0.2 })).toEqual(["no answer within 0.2 s", "error"]);
    expect(await toldOf({ timeout_seconds: 0.2, runtime: { method: "POST" } })).toEqual([
      "no answer within 0.2 s, but the request was sent: it may have taken effect",
      "error",
    ]);
  });

  it("that is broken off is an error", async () => {
    server.reply((_request, response) => response.writeHead(200, { "content-length": "10" }).write("x"));
    const cut = toldOf({ timeout_seconds: 0.2 });
    expect(await cut).toEqual(["no answer within 0.2 s", "error"]);
    server.reply((_request, response) => response.destroy());
    expect(await toldOf({})).toEqual(["the connection failed (ECONNRESET)", "error"]);
  });

  it("from a server that is not there says that nothing was sent", async () => {
    const url = `http://127.0.0.1:${await closedPort()}/`;
    const [text] = (await toldOf({ runtime: { method: "POST", url } })) ?? [];
    expect(text).toBe("the connection failed (ECONNREFUSED); nothing was sent");
  });

  it("from an address that is not public is not even asked for", async () => {
    const nothing = { egress: { allow: readEgressAllow([]) } };
    const [text, status] = (await toldOf({}, {}, nothing)) ?? [];
    expect(text).toContain(
      `egress_refused: 127.0.0.1:${server.port} is an address that is not public (loopback)`,
    );
    expect(status).toBe("error");
    expect(server.seen).toEqual([]);
  });
});

describe("a request is sent again", () => {
  const thrice = { retry: { attempts: 3, wait_seconds: 0 } };
  const failing = (times: number, status: number, headers: Record<string, string> = {}) =>
    server.reply((request, response) => {
      const fails = server.seen.length <= times;
      answer(fails ? status : 200, fails ? "not now" : "at last", headers)(request, response);
    });

  it.each([429, 500, 503])("by a tool that reads, after %d", async (status) => {
    failing(2, status);
    expect(await toldOf(thrice)).toEqual(["at last", "success"]);
    expect(server.seen).toHaveLength(3);
  });

  it("until the attempts are used up", async () => {
    failing(9, 503);
    expect(await toldOf(thrice)).toEqual(["HTTP 503 Service Unavailable\nnot now", "error"]);
    expect(server.seen).toHaveLength(3);
  });

  it("after as long as the server asks for, unless that is too long", async () => {
    failing(1, 429, { "retry-after": "0.3" });
    const startedAt = performance.now();
    expect((await toldOf({ retry: { attempts: 2, wait_seconds: 0 } }))?.[0]).toBe("at last");
    expect(performance.now() - startedAt).toBeGreaterThan(290);
    server.seen.length = 0;
    failing(1, 429, { "retry-after": "31" });
    expect((await toldOf(thrice))?.[0]).toContain("HTTP 429");
    expect(server.seen).toHaveLength(1);
  });

  it("not after 404, not without being told to, and not by a tool that writes", async () => {
    failing(9, 404);
    await toldOf(thrice);
    failing(9, 503);
    await toldOf({});
    await toldOf({ ...thrice, runtime: { method: "POST" } });
    await toldOf({ ...thrice, effect: "write" });
    server.reply((_request, response) => response.destroy());
    await toldOf({ ...thrice, runtime: { method: "DELETE" } });
    expect(server.seen.map(({ method }) => method)).toEqual(["GET", "GET", "POST", "GET", "DELETE"]);
    await toldOf({ ...thrice, effect: "read", runtime: { method: "POST" } });
    expect(server.seen).toHaveLength(8);
  });

  it("by a tool that writes when nothing was sent", async () => {
    let asked = 0;
    const resolve = async () => {
      if (++asked < 3) throw Object.assign(new Error("not yet"), { code: "EAI_AGAIN" });
      return [{ address: "127.0.0.1", family: 4 }];
    };
    const runtime = { method: "POST", url: `http://tools.test:${server.port}/` };
    const result = await toldOf({ ...thrice, runtime }, {}, { egress: { ...egress, resolve } });
    expect(result).toEqual(['{"ok":true}', "success"]);
    expect([asked, server.seen.length]).toEqual([3, 1]);
  });
});

describe("an abort", () => {
  it.each(["agent", "orchestrator"])("reaches the request of an %s, and is no tool result", async (type) => {
    const cut = new Promise<void>((done) => server.reply((_request, response) => response.on("close", done)));
    const agent = await agents().compile(definition([aTool()], [{ name: "look" }], type));
    const abort = new AbortController();
    const run = agent.graph.invoke(agent.toInput("go"), { signal: abort.signal });
    await expect.poll(() => server.seen.length).toBe(1);
    abort.abort(new Error("stop it"));
    await expect(run).rejects.toThrow();
    await cut;
  });
});
