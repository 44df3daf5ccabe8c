import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildServer } from "../../src/http/server.ts";
import { executeEvent } from "../support/agents.ts";
import { get, postEvent, send } from "../support/post.ts";
import { RawConnection, sendRaw } from "../support/raw-http.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { nothing } from "./nothing.ts";
import { expectRefusal } from "./refusals.ts";

const READ_ONLY = [
  "/health",
  "/ready",
  "/metrics",
  "/jobs",
  "/jobs/some",
  "/openapi.json",
  "/schemas/agent-definition.json",
];

/** "3 x" is "xxx", so that the names of tests stay short. */
const manyOf = (short: string) => short.replace(/^(\d+) (.+)$/u, (_, n, text) => text.repeat(Number(n)));

describe("the routes", () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService();
  });
  afterAll(() => service.close());

  it.each(["GET", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "MKCOL"])(
    "answer %s / with 405, which no broker tries again",
    async (method) => {
      const reply = await send(method, service.url, undefined);

      expectRefusal(reply, "method_not_allowed");
      expect(reply.headers["allow"]).toBe("POST, OPTIONS");
    },
  );

  it("refuse a QUERY without a type, which only newer versions of Node let through", async () => {
    const app = await buildServer(nothing);

    const { statusCode: status, headers, body } = await app.inject({ method: "QUERY" as "GET", url: "/" });

    expectRefusal({ status, headers, body }, "invalid_request");
    await app.close();
  });

  it("answer HEAD / with 405 and no body", async () => {
    using line = await RawConnection.open(service.url);
    await line.send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    await line.closed();

    await expect(line.read()).rejects.toThrow(
      /HTTP\/1.1 405 Method Not Allowed.*allow: POST, OPTIONS.*\\r\\n\\r\\n"$/,
    );
  });

  it.each(READ_ONLY)("say for %s which methods it takes", async (path) => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const reply = await send(method, service.url + path, undefined);

      expectRefusal(reply, "method_not_allowed");
      expect(reply.headers["allow"]).toBe("GET, HEAD");
    }
  });

  it("do not read the body of a request that has no route", async () => {
    const types = ["application/json", "text/plain", "application/xml"];
    for (const [method, path, code] of [
      ["PUT", "/", "method_not_allowed"],
      ["POST", "/health", "method_not_allowed"],
      ["POST", "/nowhere", "not_found"],
    ] as const) {
      for (const type of types) {
        const reply = await send(method, service.url + path, '{"__proto__": secret', {
          headers: { "content-type": type },
        });
        expectRefusal(reply, code, "secret");
      }
    }
    const long = await send("POST", `${service.url}/nowhere`, "x".repeat(3_000_000), {
      headers: { "content-type": "text/plain" },
    });
    expectRefusal(long, "not_found");
  });

  it.each(["/nowhere", "//", "/health/", "/jobs/a/b", "/JOBS", "/.env", "/schemas/", "/jobs/"])(
    "answer 404 for %s, in JSON",
    async (path) => {
      const reply = await get(service.url + path);
      expectRefusal(reply, path === "/jobs/" ? "unknown_job" : "not_found");
    },
  );

  it("know the root with a query, and in absolute form", async () => {
    expect((await postEvent(`${service.url}/?a=1&b=%zz`, executeEvent())).status).toBe(200);

    const refused = await sendRaw(service.url, ["GET http://anything/ HTTP/1.1\r\nHost: x\r\n\r\n"]);
    expectRefusal(refused, "method_not_allowed");
    expect(refused.headers["allow"]).toBe("POST, OPTIONS");
  });

  it.each(["%", "%f", "%zz", "%FF", "%ED%A0%80", "%C0%AE", "%long"])(
    "refuse a job id with a bad escape: %s",
    async (short) => {
      const id = short.replace("long", "x".repeat(9000));
      for (const method of ["GET", "POST"]) {
        const answer = await sendRaw(service.url, [
          `${method} /jobs/${id} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`,
        ]);
        expectRefusal(answer, "invalid_request", id);
      }
    },
  );

  it.each([
    "%00",
    "%0A",
    "a%00b",
    "%C2%85",
    "..",
    "%2E%2E",
    "%2F",
    "a%2Fb%2F..",
    "%25",
    "%20",
    "%E2%82%AC",
    "%EF%BF%BE",
    "257 😀",
    "10000 x",
  ])("know no job %s", async (short) => {
    const id = manyOf(short);
    const path = encodeURI(id).replaceAll("%25", "%");
    expectRefusal(
      await sendRaw(service.url, [`GET /jobs/${path} HTTP/1.1\r\nHost: x\r\n\r\n`]),
      "unknown_job",
      id,
    );
  });

  it.each([
    "plain",
    "a/b",
    "a%2Fb",
    "%",
    "%25",
    "100%",
    "a b+c",
    "?x=1#y",
    "für €",
    "256 😀",
    "a;b",
    "job:1@x",
    "\\",
    '"quoted"',
    "__proto__",
  ])("show the job with the id %j where its event was sent", async (short) => {
    const job_id = manyOf(short);
    const reply = await postEvent(service.url, executeEvent({ job_id }), {
      headers: { prefer: "respond-async" },
    });

    const shown = await get(service.url + reply.headers.location);

    expect([reply.status, shown.status]).toEqual([202, 200]);
    expect(shown.json()).toMatchObject({ job_id });
  });

  it("refuse parameters of /jobs that they do not know, and never repeat them", async () => {
    for (const query of [
      "limit=201",
      "limit=-1",
      "limit=1e1",
      "limit=",
      "__proto__=1",
      "status[]=failed",
      "status=%00",
      "after=secret",
      "after=%FF",
      "x=secret",
    ]) {
      expectRefusal(await get(`${service.url}/jobs?${query}`), "invalid_request", "secret");
    }
  });
});
