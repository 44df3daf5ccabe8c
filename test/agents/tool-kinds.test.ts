import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { readDefinition } from "../../src/agents/definition.ts";
import { readEgressAllow } from "../../src/agents/egress-allow.ts";
import { Toolbox } from "../../src/agents/toolbox.ts";
import { agentsWith, errorOf } from "./support.ts";
import { callingAgent, toldBy } from "./told.ts";
import { answer, startToolServer, type ToolServer } from "./tool-server.ts";

const folder = mkdtempSync(join(tmpdir(), "tools-"));
const module = (name: string, code: string): [string, string] => {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, code);
  return [name, file];
};
const modules = new Map([
  module(
    "double",
    "export default async ({ n }, ctx) => ({ twice: 2 * n, job: ctx.job_id, who: ctx.context.user })",
  ),
  module("thrower", "export default () => { throw new RangeError('not today') }"),
  module("slow", "export default () => new Promise(() => {})"),
  module("empty", "export const nothing = 1"),
  module(
    "flaky",
    "let n = 0; export default () => { if (++n < 3) throw new Error('try ' + n); return 'try ' + n }",
  ),
  ["missing", join(folder, "missing.mjs")] as [string, string],
]);

let server: ToolServer;
let toolbox: Toolbox;
beforeAll(async () => {
  server = await startToolServer();
  const secret = async () => ({ token: "very-secret", origins: server.url });
  toolbox = new Toolbox({ modules, secret, egress: { allow: readEgressAllow(["127.0.0.1"]) } });
});
afterEach(() => {
  server.seen.length = 0;
});
afterAll(async () => {
  await toolbox.close();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const facts = {
  run_facts: {
    job_id: "job-7",
    run_id: "run-7",
    context: { user: "ada", deep: { id: 5 } },
    input: { lang: "en" },
  },
};
const numbers = { type: "object", properties: { n: { type: "number" } }, required: ["n"] };
const script = (text: string, changes: object = {}) => ({
  name: "compute",
  runtime: { type: "javascript", script: text },
  ...changes,
});
const told = (tool: object, args: object = {}) =>
  toldBy(toolbox, [tool], [{ name: (tool as { name: string }).name, args }], facts);

describe("a tool of type javascript", () => {
  it("computes, and knows of its run only who it is", async () => {
    const tool = script("export default async ({ n }, ctx) => ({ n: n + 1, ...ctx })", {
      input_schema: numbers,
    });
    expect(await told(tool, { n: 1 })).toEqual([['{"n":2,"job_id":"job-7","run_id":"run-7"}', "success"]]);
  });

  it("may have its script beside runtime", async () => {
    const tool = { name: "compute", runtime: { type: "javascript" }, script: "() => 'beside'" };
    expect(await told(tool)).toEqual([["beside", "success"]]);
  });

  it("is not called with arguments that do not fit", async () => {
    const [[text, status] = []] = await told(script("() => 1", { input_schema: numbers }), { n: "1" });
    expect([text, status]).toEqual([
      expect.stringMatching(/\/n must be number.*Nothing was called/),
      "error",
    ]);
  });

  it("that is no script is refused with the definition", async () => {
    const body = callingAgent([script("(args) => { return")], []);
    const error = await errorOf(() => agentsWith({}, { toolbox }).compile(body));
    expect(error).toMatchObject({ code: "invalid_definition", path: "/tool_definitions/0/runtime/script" });
    expect(error.message).toMatch(/SyntaxError/);
  });

  it("that throws, or does not end, is an error for the model and ends no run", async () => {
    const wrong = script("(args) => { console.log('here'); throw new Error('wrong') }");
    const endless = script("() => { for (;;); }", { timeout_seconds: 0.3 });

    const [[text, status] = []] = await told(wrong);
    expect([text, status]).toEqual([expect.stringMatching(/^Error: wrong\n[\s\S]*console:\nhere$/), "error"]);
    expect(await told(endless)).toEqual([["no answer within 0.3 s", "error"]]);
  });
});

describe("a tool of type module", () => {
  it("is the operator's function", async () => {
    const tool = { name: "double", input_schema: numbers, runtime: { type: "module" } };
    expect(await told(tool, { n: 4 })).toEqual([['{"twice":8,"job":"job-7","who":"ada"}', "success"]]);
  });

  it("may throw, and may be too slow", async () => {
    const named = (name: string, changes: object = {}) => ({
      name: "t",
      runtime: { type: "module", name },
      ...changes,
    });
    expect(await told(named("thrower"))).toEqual([["RangeError: not today", "error"]]);
    const slow = { timeout_seconds: 0.2 };
    expect(await told(named("slow", slow))).toEqual([
      ["no answer within 0.2 s; it may have taken effect", "error"],
    ]);
    expect(await told(named("slow", { ...slow, effect: "read" }))).toEqual([
      ["no answer within 0.2 s", "error"],
    ]);
  });

  it("is tried again where it only reads", async () => {
    const retry = { attempts: 3, wait_seconds: 0 };
    const flaky = { name: "flaky", runtime: { type: "module" }, retry };
    expect(await told(flaky)).toEqual([["Error: try 1", "error"]]);
    expect(await told({ ...flaky, effect: "read" })).toEqual([["try 3", "success"]]);
  });

  it.each([
    ["doubel", "invalid_definition", /did you mean "double"/],
    ["nothing-like-it", "invalid_definition", /TOOL_MODULES/],
    ["empty", "tool_unavailable", /exports no function by default/],
    ["missing", "tool_unavailable", /could not be loaded/],
  ])("that is %s is %s", async (name, code, words) => {
    const body = callingAgent([{ name: "t", runtime: { type: "module", name } }], []);
    const error = await errorOf(() => agentsWith({}, { toolbox }).compile(body));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(words);
  });
});

describe("injected arguments", () => {
  const properties = { user: { type: "string" }, id: { type: "integer" }, lang: {}, n: { type: "number" } };
  const schema = { type: "object", properties, required: ["user", "n"] };
  const inject = { user: "context.user", id: "context.deep.id", lang: "input.lang" };
  const tool = (changes: object = {}) =>
    script("(args) => args", { input_schema: schema, inject, ...changes });

  it("come from the event, whatever the model says, and are hidden from it", async () => {
    expect(await told(tool(), { n: 1, user: "eve", id: 9 })).toEqual([
      ['{"n":1,"user":"ada","id":5,"lang":"en"}', "success"],
    ]);
    const [read] = readDefinition(callingAgent([tool()], [])).tools;
    expect(read?.parameters).toEqual({
      type: "object",
      properties: { n: { type: "number" } },
      required: ["n"],
    });
  });

  it("that are needed and not there end the run, and those that are not are left out", async () => {
    const missing = tool({ inject: { user: "context.nobody" } });
    await expect(told(missing, { n: 1 })).rejects.toMatchObject({
      code: "invalid_input",
      path: "/context/nobody",
    });
    const inherited = tool({ inject: { user: "context.user", lang: "context.constructor" } });
    expect(await told(inherited, { n: 1 })).toEqual([['{"n":1,"user":"ada"}', "success"]]);
  });

  it("have to fit the schema too", async () => {
    const [[text] = []] = await told(tool({ inject: { ...inject, user: "context.deep" } }), { n: 1 });
    expect(text).toMatch(/\/user must be string/);
  });

  it.each([
    [{ other: "context.user" }, /no property of input_schema/],
    [{ user: "env.SECRET" }, /./],
    [{ user: "context" }, /./],
  ])("are declared, and come from where they may: not %j", async (wrong, words) => {
    const error = await errorOf(() => readDefinition(callingAgent([tool({ inject: wrong })], [])));
    expect(error).toMatchObject({ code: "invalid_definition", message: expect.stringMatching(words) });
    expect(error.path).toMatch(/^\/tool_definitions\/0\/inject/);
  });
});

describe("secrets in headers", () => {
  const tool = (changes: object = {}) => ({
    name: "look",
    runtime: {
      ...{ type: "http", method: "GET", url: `${server.url}/` },
      headers: { Authorization: { $secret: "tools/crm#token", prefix: "Bearer " } },
      ...changes,
    },
  });

  it("are sent to the servers that the secret names, and not told to the model when they come back", async () => {
    server.reply((request, response) => void response.end(`you said ${request.headers.authorization}`));

    expect(await told(tool())).toEqual([["you said Bearer [secret]", "success"]]);
    expect(server.seen[0]?.headers.authorization).toBe("Bearer very-secret");
    server.reply(answer(200, "ok"));
  });

  it("go to no other server", async () => {
    const other = tool({ url: `http://localhost:${server.port}/` });
    await expect(told(other)).rejects.toMatchObject({
      code: "missing_credentials",
      message: expect.stringMatching(/not for http:\/\/localhost.*"origins"/),
    });
    expect(server.seen).toEqual([]);
  });

  it("need a vault, and the error says so", async () => {
    const bare = new Toolbox({ egress: { allow: readEgressAllow(["127.0.0.1"]) } });
    await expect(toldBy(bare, [tool()], [{ name: "look" }])).rejects.toMatchObject({
      code: "missing_credentials",
      message: expect.stringContaining("VAULT_ADDR"),
    });
  });

  it("are below tools/ only, and the key that says where they go is none", async () => {
    const naming = (reference: string) => tool({ headers: { Authorization: { $secret: reference } } });
    for (const reference of ["postgres#password", "tools/../postgres#password", "tools/x"]) {
      const error = await errorOf(() => readDefinition(callingAgent([naming(reference)], [])));
      expect(error.code, reference).toBe("invalid_definition");
    }
    await expect(told(naming("tools/crm#origins"))).rejects.toMatchObject({ code: "missing_credentials" });
  });
});

describe("definitions", () => {
  const read = (tool: object) => errorOf(() => readDefinition(callingAgent([{ name: "look", ...tool }], [])));

  it.each([
    [{ runtime: { type: "python", script: "print(1)" } }, "not_supported_yet", /no Python engines/],
    [{ script: "print(1)" }, "not_supported_yet", /no Python engines/],
    [{ runtime: { script: "print(1)" } }, "not_supported_yet", /Python/],
    [{ runtime: { type: "javascript" } }, "invalid_definition", /"script" is missing/],
    [{ runtime: { type: "javascript", script: "a" }, script: "b" }, "invalid_definition", /differ/],
    [{ runtime: { type: "javascript", scrypt: "a" } }, "invalid_definition", /did you mean "script"/],
    [{ runtime: { type: "javascrip", script: "a" } }, "invalid_definition", /did you mean "javascript"/],
    [{ runtime: { type: "mcp" } }, "invalid_definition", /"server" is missing/],
    [{ runtime: { type: "mcp", server: "a" }, description: "x" }, "invalid_definition", /runtime\.tool/],
    [{ runtime: { type: "builtin" } }, "invalid_definition", /there are http_request, now/],
    [{ runtime: { type: "builtin", name: "nwo" } }, "invalid_definition", /did you mean "now"/],
    [{ runtime: { type: "builtin", name: "now" }, input_schema: {} }, "invalid_definition", /brings its own/],
    [{ runtime: { type: "builtin", name: "now", scope: "job" } }, "invalid_definition", /for memory/],
    [
      { runtime: { type: "builtin", name: "now", methods: ["GET"] } },
      "invalid_definition",
      /for http_request/,
    ],
    [{ runtime: { type: "module" }, script: "x" }, "invalid_definition", /has no script/],
  ])("%j: %s", async (tool, code, words) => {
    const error = await read(tool);
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(words)]);
    expect(error.path).toMatch(/^\/tool_definitions\/0\/./);
  });

  it.each([
    [{ type: "javascript", script: "() => 1" }, "read"],
    [{ type: "builtin", name: "memory_put" }, "read"],
    [{ type: "builtin", name: "http_request" }, "read"],
    [{ type: "builtin", name: "http_request", methods: ["GET", "POST"] }, "write"],
    [{ type: "mcp", server: "a" }, "write"],
    [{ type: "module" }, "write"],
  ])("%j has the effect %s unless it says otherwise", (runtime, effect) => {
    const [tool] = readDefinition(callingAgent([{ name: "look", runtime }], [])).tools;
    expect(tool?.effect).toBe(effect);
  });
});
