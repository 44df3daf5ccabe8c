import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { readMcpServers } from "../../src/agents/mcp-servers.ts";
import { Toolbox, type ToolboxOptions } from "../../src/agents/toolbox.ts";
import { mcpStdioCommand, startMcpServer } from "../support/mcp-server.ts";
import { agentsWith, errorOf } from "./support.ts";
import { callingAgent, toldBy } from "./told.ts";

const folder = mkdtempSync(join(tmpdir(), "mcp-"));
const open: Toolbox[] = [];
afterEach(async () => {
  for (const toolbox of open.splice(0)) await toolbox.close();
});

/** With servers as the operator's file names them. */
async function toolboxWith(servers: object, options: ToolboxOptions = {}): Promise<Toolbox> {
  const file = join(folder, "servers.json");
  writeFileSync(file, JSON.stringify(servers));
  const toolbox = new Toolbox({ mcpServers: await readMcpServers(file), ...options });
  open.push(toolbox);
  return toolbox;
}

const all = (changes: object = {}) => ({
  name: "kit",
  runtime: { type: "mcp", server: "files" },
  ...changes,
});
const one = (tool: string, changes: object = {}) => ({
  name: "look",
  runtime: { type: "mcp", server: "files", tool },
  ...changes,
});

describe.each(["http", "stdio"])("the tools of an MCP server over %s", (kind) => {
  const entry = async (stack: AsyncDisposableStackLike) =>
    kind === "stdio" ? mcpStdioCommand : stack.use(await startMcpServer()).url;

  it("are called by prefixed names, with the arguments that fit their own schemas", async () => {
    await using stack = disposables();
    const toolbox = await toolboxWith({ files: await entry(stack) });

    const told = await toldBy(
      toolbox,
      [all()],
      [
        { name: "kit_greet", args: { who: "Ada" } },
        { name: "kit_greet", args: { who: 5 } },
        { name: "kit_odd_name_v2", args: { who: "Bob" } },
        { name: "kit_fail" },
        { name: "kit_picky", args: { next: { next: {} } } },
      ],
    );

    expect(told).toEqual([
      ["Hello Ada, says greet", "success"],
      [expect.stringMatching(/^The arguments do not fit: \/who must be string.*Nothing was called/), "error"],
      ["Hello Bob, says odd.name/v2", "success"],
      ["it does not work", "error"],
      ["Hello undefined, says picky", "success"],
    ]);
  });

  it("may be one, under a name of the author's; what hangs is cut, and what is long too", async () => {
    await using stack = disposables();
    const toolbox = await toolboxWith({ files: await entry(stack) });
    const tools = [
      one("greet"),
      one("hang", { name: "slow", timeout_seconds: 0.3 }),
      one("hang", { name: "slow_read", timeout_seconds: 0.3, effect: "read" }),
      one("long", { name: "long" }),
      one("flood", { name: "flood", timeout_seconds: 5 }),
    ];

    const told = await toldBy(toolbox, tools, [
      { name: "look", args: { who: "Eve" } },
      { name: "slow" },
      { name: "slow_read" },
      { name: "long" },
      { name: "flood" },
      { name: "look", args: { who: "after" } },
    ]);

    expect(told.slice(0, 3)).toEqual([
      ["Hello Eve, says greet", "success"],
      ["no answer in time; it may have taken effect", "error"],
      ["no answer in time", "error"],
    ]);
    expect(told.slice(4).map(([, status]) => status)).toEqual(["error", "success"]);
    expect(told[3]?.[0].length).toBeLessThan(263_000);
    expect(told[3]?.[0]).toMatch(/\[cut off: the answer is longer than 262144 bytes\]$/);
  });
});

describe("an MCP server", () => {
  it("that died is started again for the next call", async () => {
    const toolbox = await toolboxWith({ files: mcpStdioCommand });

    const told = await toldBy(
      toolbox,
      [all()],
      [{ name: "kit_die" }, { name: "kit_greet", args: { who: "again" } }],
    );

    expect(told).toEqual([
      ["the connection broke; it may have taken effect", "error"],
      ["Hello again, says greet", "success"],
    ]);
  });

  it("that was started anew, with no memory of our session, is spoken to anew", async () => {
    const first = await startMcpServer();
    const toolbox = await toolboxWith({ files: first.url });
    const greet = (who: string) =>
      toldBy(toolbox, [one("greet", { effect: "read" })], [{ name: "look", args: { who } }]);
    expect(await greet("one")).toEqual([["Hello one, says greet", "success"]]);
    await first[Symbol.asyncDispose]();
    await using second = await startMcpServer(first.port);

    expect(await greet("two")).toEqual([["Hello two, says greet", "success"]]);
    expect(second.seen).toHaveLength(1);
  });

  it("gets nothing of our environment when it is started, but what the operator says", async () => {
    process.env["OPENAI_API_KEY"] = "sk-secret-of-ours";
    const toolbox = await toolboxWith({ files: { ...mcpStdioCommand, env: { GIVEN: "yes" } } });

    const [[said] = [""]] = await toldBy(toolbox, [one("environment")], [{ name: "look" }]);
    delete process.env["OPENAI_API_KEY"];

    expect(JSON.parse(said)).toMatchObject({ GIVEN: "yes" });
    expect(said).not.toContain("sk-secret-of-ours");
  });

  it("gets headers of the operator's, secrets among them", async () => {
    await using server = await startMcpServer();
    const headers = { "x-plain": "p", authorization: { $secret: "tools/mcp#token", prefix: "Bearer " } };
    const secret = async () => ({ token: "t-123456", origins: `http://127.0.0.1:${server.port}` });
    const toolbox = await toolboxWith({ files: { url: server.url, headers } }, { secret });

    await toldBy(toolbox, [one("greet")], [{ name: "look", args: { who: "x" } }]);

    expect(server.headers.at(-1)).toMatchObject({ "x-plain": "p", authorization: "Bearer t-123456" });
  });

  it("that is away ends no definition for good: the run is to be tried again", async () => {
    const toolbox = await toolboxWith({
      files: "http://127.0.0.1:1/mcp",
      gone: { command: "/no/such/program" },
    });
    const compile = (body: object) => errorOf(() => agentsWith({}, { toolbox }).compile(body));

    for (const server of ["files", "gone"]) {
      const error = await compile(callingAgent([all({ runtime: { type: "mcp", server } })], []));
      expect(error).toMatchObject({ code: "tool_unavailable", retryable: true });
    }
  });

  it.each([
    [{ type: "mcp", server: "fils" }, "/tool_definitions/0/runtime/server", /did you mean "files"/],
    [
      { type: "mcp", server: "files", tool: "gret" },
      "/tool_definitions/0/runtime/tool",
      /did you mean "greet"/,
    ],
  ])("is one of the operator's list, and has the tool: %j", async (runtime, path, words) => {
    const toolbox = await toolboxWith({ files: mcpStdioCommand });

    const error = await errorOf(() =>
      agentsWith({}, { toolbox }).compile(callingAgent([all({ runtime })], [])),
    );

    expect(error).toMatchObject({ code: "invalid_definition", path });
    expect(error.message).toMatch(words);
  });

  it("is not connected to by who does not use it", async () => {
    await using server = await startMcpServer();
    const toolbox = await toolboxWith({ files: server.url });

    await toldBy(toolbox, [{ name: "now", runtime: { type: "builtin" } }], [{ name: "now" }]);

    expect(server.headers).toEqual([]);
  });
});

describe("the file of MCP_SERVERS", () => {
  it.each([
    [{ "a b": "http://x/" }, /no usable name/],
    [{ a: "ftp://x/" }, /http or https/],
    [{ a: 5 }, /URL or an object/],
    [{ a: {} }, /url or command/],
    [{ a: { url: "http://x/", command: "y" } }, /url or command/],
    [{ a: { command: "y", args: "z" } }, /list of texts/],
    [{ a: { command: "y", env: { Z: 1 } } }, /must hold texts/],
    [{ a: { url: "http://x/", headers: { k: { secret: "v" } } } }, /must be a text or/],
    [[], /must hold an object/],
  ])("refuses %j", async (servers, words) => {
    await expect(toolboxWith(servers)).rejects.toThrow(words);
  });

  it("may have the form that other programs use", async () => {
    writeFileSync(join(folder, "other.json"), JSON.stringify({ mcpServers: { a: "http://x/mcp" } }));
    expect([...(await readMcpServers(join(folder, "other.json"))).keys()]).toEqual(["a"]);
    rmSync(folder, { recursive: true });
    await expect(readMcpServers(join(folder, "other.json"))).rejects.toThrow(/no readable JSON file/);
  });
});

/** Node 20 has no AsyncDisposableStack. */
type AsyncDisposableStackLike = AsyncDisposable & { use<T extends AsyncDisposable>(thing: T): T };
function disposables(): AsyncDisposableStackLike {
  const things: AsyncDisposable[] = [];
  return {
    use: (thing) => {
      things.push(thing);
      return thing;
    },
    [Symbol.asyncDispose]: async () => {
      for (const thing of things.reverse()) await thing[Symbol.asyncDispose]();
    },
  };
}
