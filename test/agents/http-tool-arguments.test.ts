import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { aTool, definition, told, toldOf } from "./http-tools.ts";
import { startToolServer, type ToolServer } from "./tool-server.ts";

let server: ToolServer;
beforeEach(async () => {
  server = await startToolServer();
});
afterEach(() => server[Symbol.asyncDispose]());

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
    expect((await toldOf(server, post(body), args))?.[1]).toBe("success");
    expect(server.seen[0]?.body).toBe(sent);
    expect(server.seen[0]?.headers["content-type"]).toBe(type);
  });

  it("of a form", async () => {
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    await toldOf(server, post({ a: "{a}", b: "x={b}" }, headers), { a: "1&b=2", b: "ü" });
    expect(server.seen[0]?.body).toBe("a=1%26b%3D2&b=x%3D%C3%BC");
    expect(server.seen[0]?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
  });

  it("keeps a type of its own", async () => {
    await toldOf(server, post({ a: 1 }, { "content-TYPE": "application/vnd.x+json" }));
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
    const runtime = { url: `${server.url}/v1/{a}/x` };
    const result = await toldOf(server, { input_schema: schema, runtime }, { a });
    expect(result?.[1]).toBe("error");
    expect(result?.[0]).toContain("Nothing was called");
    expect(server.seen).toEqual([]);
  });

  it("two of them do not make dots together", async () => {
    const runtime = { url: `${server.url}/v1/{a}{b}/x` };
    expect((await toldOf(server, { input_schema: schema, runtime }, { a: ".", b: "." }))?.[1]).toBe("error");
    const half = { input_schema: schema, runtime: { url: `${server.url}/v1/x.{a}` } };
    expect((await toldOf(server, half, { a: "json" }))?.[1]).toBe("success");
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
    const runtime = { url: `${server.url}/v1/{a}` };
    const result = await toldOf(server, { input_schema: schema, runtime }, { a });
    expect(result?.[1]).toBe("success");
    expect(server.seen).toMatchObject([{ url, headers: { host: `127.0.0.1:${server.port}` } }]);
  });

  it("do not add to a query", async () => {
    const runtime = { url: `${server.url}/?a={a}`, query: { b: "{b}" } };
    await toldOf(server, { input_schema: schema, runtime }, { a: "1&admin=1", b: "2&admin=2#x" });
    expect(server.seen[0]?.url).toBe("/?a=1%26admin%3D1&b=2%26admin%3D2%23x");
  });

  it.each(["a\r\nX-Evil: 1", "a\nb", "a\u0000b", "日本"])("%j does not get into a header", async (a) => {
    const runtime = { headers: { "x-a": "{a}" } };
    const result = await toldOf(server, { input_schema: schema, runtime }, { a });
    expect(result).toEqual([expect.stringContaining("the header x-a would hold characters"), "error"]);
    expect(server.seen).toEqual([]);
  });

  it("that are inherited are no arguments", async () => {
    const input_schema = { type: "object", properties: { hasOwn: {} } };
    const runtime = { url: `${server.url}/{hasOwn}` };
    expect((await toldOf(server, { input_schema, runtime }, {}))?.[0]).toContain("hasOwn is missing");
  });

  it("nested without end are refused", async () => {
    let deep: unknown = 1;
    for (let i = 0; i < 200; i++) deep = [deep];
    const tool = aTool(server, { input_schema: schema, runtime: { query: { a: "{a}" } } });
    const body = definition([tool], [{ name: "look", args: { a: deep } }]);
    expect(await told(body, {}, "hash")).toEqual([[expect.stringContaining("nested deeper"), "error"]]);
  });
});
