import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readEgressAllow } from "../../src/agents/egress-allow.ts";
import { egress, toldOf } from "./http-tools.ts";
import { answer, closedPort, startToolServer, type ToolServer } from "./tool-server.ts";

let server: ToolServer;
beforeEach(async () => {
  server = await startToolServer();
});
afterEach(() => server[Symbol.asyncDispose]());

describe("an answer", () => {
  it("is cut at 256 KiB, and an error's body at 4 KiB", async () => {
    server.reply(answer(200, "é".repeat(200_000)));
    const [long] = (await toldOf(server)) ?? [];
    expect(Buffer.byteLength(long ?? "")).toBeLessThan(256 * 1024 + 100);
    expect(long).toMatch(/\[cut off: the answer is longer than 262144 bytes\]$/);
    server.reply(answer(500, "é".repeat(200_000)));
    const [error, status] = (await toldOf(server)) ?? [];
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
    expect((await toldOf(server))?.[0]).toMatch(/cut off/);
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
    expect(await toldOf(server)).toEqual([text, outcome]);
    expect(server.seen).toHaveLength(1);
  });

  it("in another charset is read in it", async () => {
    server.reply((_request, response) => {
      response.writeHead(200, { "content-type": "text/plain; charset=iso-8859-1" });
      response.end(Buffer.from("Grüße", "latin1"));
    });
    expect((await toldOf(server))?.[0]).toBe("Grüße");
  });

  it("that does not come in time is an error, and a write is told that it may have happened", async () => {
    server.reply(() => undefined);
    expect(await toldOf(server, { timeout_seconds: 0.2 })).toEqual(["no answer within 0.2 s", "error"]);
    expect(await toldOf(server, { timeout_seconds: 0.2, runtime: { method: "POST" } })).toEqual([
      "no answer within 0.2 s, but the request was sent: it may have taken effect",
      "error",
    ]);
  });

  it("that is broken off is an error", async () => {
    server.reply((_request, response) => response.writeHead(200, { "content-length": "10" }).write("x"));
    const cut = toldOf(server, { timeout_seconds: 0.2 });
    expect(await cut).toEqual(["no answer within 0.2 s", "error"]);
    server.reply((_request, response) => response.destroy());
    expect(await toldOf(server)).toEqual(["the connection failed (ECONNRESET)", "error"]);
  });

  it("from a server that is not there says that nothing was sent", async () => {
    const url = `http://127.0.0.1:${await closedPort()}/`;
    const [text] = (await toldOf(server, { runtime: { method: "POST", url } })) ?? [];
    expect(text).toBe("the connection failed (ECONNREFUSED); nothing was sent");
  });

  it("from an address that is not public is not even asked for", async () => {
    const nothing = { egress: { allow: readEgressAllow([]) } };
    const [text, status] = (await toldOf(server, {}, {}, nothing)) ?? [];
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
    expect(await toldOf(server, thrice)).toEqual(["at last", "success"]);
    expect(server.seen).toHaveLength(3);
  });

  it("until the attempts are used up", async () => {
    failing(9, 503);
    expect(await toldOf(server, thrice)).toEqual(["HTTP 503 Service Unavailable\nnot now", "error"]);
    expect(server.seen).toHaveLength(3);
  });

  it("after as long as the server asks for, unless that is too long", async () => {
    failing(1, 429, { "retry-after": "0.3" });
    const startedAt = performance.now();
    expect((await toldOf(server, { retry: { attempts: 2, wait_seconds: 0 } }))?.[0]).toBe("at last");
    expect(performance.now() - startedAt).toBeGreaterThan(290);
    server.seen.length = 0;
    failing(1, 429, { "retry-after": "31" });
    expect((await toldOf(server, thrice))?.[0]).toContain("HTTP 429");
    expect(server.seen).toHaveLength(1);
  });

  it("not after 404, not without being told to, and not by a tool that writes", async () => {
    failing(9, 404);
    await toldOf(server, thrice);
    failing(9, 503);
    await toldOf(server);
    await toldOf(server, { ...thrice, runtime: { method: "POST" } });
    await toldOf(server, { ...thrice, effect: "write" });
    server.reply((_request, response) => response.destroy());
    await toldOf(server, { ...thrice, runtime: { method: "DELETE" } });
    expect(server.seen.map(({ method }) => method)).toEqual(["GET", "GET", "POST", "GET", "DELETE"]);
    await toldOf(server, { ...thrice, effect: "read", runtime: { method: "POST" } });
    expect(server.seen).toHaveLength(8);
  });

  it("by a tool that writes when nothing was sent", async () => {
    let asked = 0;
    const resolve = async () => {
      if (++asked < 3) throw Object.assign(new Error("not yet"), { code: "EAI_AGAIN" });
      return [{ address: "127.0.0.1", family: 4 }];
    };
    const runtime = { method: "POST", url: `http://tools.test:${server.port}/` };
    const result = await toldOf(server, { ...thrice, runtime }, {}, { egress: { ...egress, resolve } });
    expect(result).toEqual(['{"ok":true}', "success"]);
    expect([asked, server.seen.length]).toEqual([3, 1]);
  });
});
