import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { calculate } from "../../src/agents/calculator.ts";
import { readEgressAllow } from "../../src/agents/egress-allow.ts";
import { Toolbox } from "../../src/agents/toolbox.ts";
import { toldBy } from "./told.ts";
import { startToolServer, type ToolServer } from "./tool-server.ts";

const builtin = (name: string, changes: object = {}) => ({
  name,
  runtime: { type: "builtin", name, ...changes },
});

describe("calculator", () => {
  it.each([
    ["1 + 2 * 3", 7],
    ["(1 + 2) * 3", 9],
    ["2 ^ 3 ^ 2", 512],
    ["2 ** 10", 1024],
    ["-2 ^ 2", -4],
    ["--2", 2],
    ["10 % 4 / 2", 1],
    [".5 + 1.5e2", 150.5],
    ["sqrt(16) + min(3, 1, 2) + PI - pi", 5],
    ["round(2.5) + abs(-1)", 4],
  ])("%s = %s", (expression, value) => {
    expect(calculate(expression)).toBeCloseTo(value);
  });

  it.each([
    ["", /ends too early/],
    ["1 +", /ends too early/],
    ["1 / 0", /division by zero/],
    ["1 2", /left over/],
    ["(1", /"\)" is missing/],
    ["process.exit()", /there is no process|cannot read/],
    ["constructor(1)", /there is no constructor/],
    ["__proto__", /cannot read/],
    ["9 ^ 9 ^ 9", /too large/],
    ["sqrt(-1)", /no number/],
    ["sqrt 4", /needs parentheses/],
    ["(".repeat(500), /nested too deeply/],
    [`${"2^".repeat(300)}1`, /nested too deeply/],
    ["1; 2", /cannot read/],
  ])("%s: says what is wrong", (expression, words) => {
    expect(calculate(expression)).toMatchObject({ problem: expect.stringMatching(words) });
  });
});

describe("now, calculator and http_request", () => {
  let server: ToolServer;
  let toolbox: Toolbox;
  beforeAll(async () => {
    server = await startToolServer();
    toolbox = new Toolbox({ egress: { allow: readEgressAllow([`127.0.0.1:${server.port}`]) } });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it("tell the time and do sums", async () => {
    const told = await toldBy(
      toolbox,
      [builtin("now"), builtin("calculator")],
      [
        { name: "now", args: { timezone: "Asia/Tokyo" } },
        { name: "now", args: { timezone: "Mars/Base" } },
        { name: "calculator", args: { expression: "6 * 7" } },
        { name: "calculator", args: { expression: "6 *" } },
        { name: "calculator", args: {} },
      ],
    );

    const { iso, timezone, local } = JSON.parse(told[0]?.[0] ?? "");
    expect([Math.abs(Date.now() - Date.parse(iso)) < 60_000, timezone]).toEqual([true, "Asia/Tokyo"]);
    expect(local).toMatch(/GMT\+9|JST/);
    expect(told.slice(1)).toEqual([
      [expect.stringContaining("Mars/Base is no time zone"), "error"],
      ["42", "success"],
      ["it ends too early", "error"],
      [expect.stringContaining("The arguments do not fit"), "error"],
    ]);
  });

  it("send what the model asks for, by the methods that the author allows, to public addresses only", async () => {
    const url = `${server.url}/a?b=c`;
    const post = { ...builtin("http_request", { methods: ["GET", "POST"] }), name: "post" };

    const told = await toldBy(
      toolbox,
      [builtin("http_request"), post],
      [
        { name: "http_request", args: { url, headers: { "X-Mine": "1" } } },
        { name: "http_request", args: { url, method: "POST" } },
        { name: "post", args: { url, method: "POST", body: "hello" } },
        { name: "http_request", args: { url: "http://169.254.169.254/latest/meta-data/" } },
        { name: "http_request", args: { url: "http://user:pw@127.0.0.1/" } },
        { name: "http_request", args: { url: "file:///etc/passwd" } },
        { name: "http_request", args: { url, headers: { Host: "other" } } },
        { name: "http_request", args: { url, headers: { "X-A": "1\r\nX-B: 2" } } },
      ],
    );

    expect(told.map(([text, status]) => [status, text.slice(0, 120)])).toEqual([
      ["success", '{"ok":true}'],
      ["error", expect.stringContaining("/method")],
      ["success", '{"ok":true}'],
      ["error", expect.stringMatching(/^egress_refused: 169\.254\.169\.254 is an address/)],
      ["error", expect.stringContaining("must name no user")],
      ["error", expect.stringContaining("absolute http or https")],
      ["error", expect.stringContaining("Host is set by the service")],
      ["error", expect.stringContaining("no header may have")],
    ]);
    expect(server.seen.map(({ method, url: path, body }) => [method, path, body])).toEqual([
      ["GET", "/a?b=c", ""],
      ["POST", "/a?b=c", "hello"],
    ]);
    expect(server.seen[0]?.headers["x-mine"]).toBe("1");
  });
});
