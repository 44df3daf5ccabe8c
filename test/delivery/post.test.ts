import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { judge, type Poster, type PostOptions, postTo } from "../../src/delivery/post.ts";
import { type Sink, startSink } from "../support/sink.ts";
import { freePort, until } from "../support/wait.ts";

const EVENT = JSON.stringify({
  specversion: "1.0",
  id: "1",
  source: "tests",
  type: "x",
  datacontenttype: "application/json",
  data: {},
});
const SENT = "ce-id ce-source ce-specversion ce-type connection content-length content-type host".split(" ");

describe("an answer of the sink", () => {
  const statuses = Array.from({ length: 400 }, (_, i) => i + 200);
  const kindOf = (status: number) => judge(status, undefined).kind;

  it("is taken for 2xx, final for what a repeat cannot mend, and all else is tried again", () => {
    const final = statuses.filter((status) => kindOf(status) === "refused");
    const taken = statuses.filter((status) => kindOf(status) === "taken");

    expect(final).toEqual([400, 401, 403, 405, 410, 413, 415, 422]);
    expect(taken).toEqual(statuses.filter((status) => status < 300));
  });

  it.each([
    301, 302, 303, 304, 307, 308, 404, 408, 409, 418, 425, 429, 431, 451, 500, 501, 502, 503, 504, 599,
  ])("%i is tried again", (status) => {
    expect(judge(status, undefined)).toEqual({ kind: "later", reason: `status ${status}` });
  });

  it.each<[string | undefined, number | undefined]>([
    [undefined, undefined],
    ["", undefined],
    ["soon", undefined],
    ["NaN", undefined],
    ["0", 0],
    ["7", 7],
    [" 7 ", 7],
    ["3600", 3600],
    ["86400", 3600],
    ["99999999999999999999999", 3600],
    ["Infinity", undefined],
    ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
    ["Fri, 31 Dec 9999 23:59:59 GMT", 3600],
  ])("with Retry-After %j rests for %s seconds", (header, seconds) => {
    const { retryAfterSeconds } = judge(503, header) as { retryAfterSeconds?: number };

    expect(retryAfterSeconds).toBe(seconds);
  });
});

describe("posting to the sink", () => {
  let sink: Sink;
  let posters: Poster[];
  beforeEach(async () => {
    sink = await startSink();
    posters = [];
  });
  afterEach(async () => {
    for (const poster of posters) poster.close();
    await sink.close();
  });
  const open = (over: Partial<PostOptions> = {}, url = sink.url) => {
    const poster = postTo(new URL(url), { timeoutSeconds: 0.5, ...over });
    posters.push(poster);
    return poster;
  };

  it("sends the token as it stands in the file at that moment, and no other header of its own", async () => {
    const tokens = ["first", "second", undefined];
    const poster = open({ token: { read: async () => tokens.shift() } });

    for (let n = 0; n < 3; n++) expect(await poster.post(EVENT)).toEqual({ kind: "taken" });

    const sent = sink.received.map(({ headers }) => headers.authorization);
    expect(sent).toEqual(["Bearer first", "Bearer second", undefined]);
    expect(Object.keys(sink.received[2]?.headers ?? {}).toSorted()).toEqual(SENT);
  });

  it("keeps the event for later when the token cannot be read, and sends nothing without it", async () => {
    const poster = open({ token: { read: () => Promise.reject(new Error("there is no file /x")) } });

    expect(await poster.post(EVENT)).toEqual({
      kind: "later",
      reason: "token of the sink: there is no file /x",
    });
    expect(sink.received).toEqual([]);
  });

  it.each([301, 302, 303, 307, 308])("takes no token and no event where a %i leads", async (status) => {
    const elsewhere = await startSink();
    sink.behave({ status, headers: { location: elsewhere.url } });

    const result = await open({ token: { read: async () => "t" } }).post(EVENT);

    expect(result).toEqual({ kind: "later", reason: `status ${status}` });
    expect(elsewhere.received).toEqual([]);
    await elsewhere.close();
  });

  it("uses connections again, also after answers with bodies", async () => {
    const ports: unknown[] = [];
    const server = createServer((request, response) => {
      ports.push(request.socket.remotePort);
      request.resume().on("end", () => response.end("x".repeat(60_000)));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const poster = open({}, `http://127.0.0.1:${port}/`);

    for (let n = 0; n < 30; n++) await poster.post(EVENT);

    // The answer counts from its head on: the next post may come before the last byte of its body.
    expect(new Set(ports).size).toBeLessThanOrEqual(3);
    server.close();
  });

  it("posts again at once when the connection was closed while it lay idle", async () => {
    // A server that answers once on a line and cuts it when the next request comes.
    let lines = 0;
    const server = createTcpServer((socket) => {
      lines++;
      socket.once("data", () => {
        socket.write("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
        socket.once("data", () => socket.resetAndDestroy());
      });
      socket.on("error", () => undefined);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const poster = open({}, `http://127.0.0.1:${port}/`);

    const results = [await poster.post(EVENT), await poster.post(EVENT)];

    expect(results).toEqual([{ kind: "taken" }, { kind: "taken" }]);
    expect(lines).toBe(2);
    poster.close();
    server.close();
  });

  it("gives a sink up that does not answer in time", async () => {
    sink.behave("hang");
    const startedAt = performance.now();

    const result = await open().post(EVENT);

    expect(result).toEqual({ kind: "later", reason: "no answer within 0.5 s" });
    expect(performance.now() - startedAt).toBeLessThan(1500);
  });

  it("says what failed when nobody listens, and when the line is cut", async () => {
    expect(await open({}, `http://127.0.0.1:${await freePort()}/`).post(EVENT)).toEqual({
      kind: "later",
      reason: "ECONNREFUSED",
    });
    sink.behave("drop");
    expect(await open().post(EVENT)).toEqual({ kind: "later", reason: "ECONNRESET" });
  });

  it("reads no more of an answer than it must, and no longer", async () => {
    const sockets = new Set<{ bytesWritten: number; destroyed: boolean }>();
    const server = createTcpServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("data", (request) => {
        socket.write("HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n");
        const flood = request.includes("/flood");
        const chunk = flood ? `4000\r\n${"x".repeat(0x4000)}\r\n` : "1\r\nx\r\n";
        const timer = setInterval(() => socket.write(chunk), flood ? 1 : 50);
        socket.once("close", () => clearInterval(timer));
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };

    for (const path of ["flood", "drip"]) {
      sockets.clear();
      const poster = open({}, `http://127.0.0.1:${port}/${path}`);
      expect(await poster.post(EVENT)).toEqual({ kind: "taken" });
      const gone = () => [...sockets].every(({ destroyed }) => destroyed);
      await until(gone, { what: `the end of the ${path}`, timeoutMs: 2000 });
      for (const { bytesWritten } of sockets) expect(bytesWritten).toBeLessThan(1_000_000);
    }
    server.close();
  });
});
