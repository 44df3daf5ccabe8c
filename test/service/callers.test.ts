import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectRefusal } from "../http/refusals.ts";
import { executeEvent } from "../support/agents.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { get, postEvent, type Reply, send } from "../support/post.ts";
import { RawConnection, sendRaw } from "../support/raw-http.ts";
import { startTestService, type TestService } from "../support/service.ts";

const OPEN = [
  "get /health",
  "get /ready",
  "get /metrics",
  "get /openapi.json",
  "get /schemas/agent-definition.json",
  "options /",
];
type Operation = { security: unknown[]; responses: Record<string, unknown> };

let issuer: Issuer;
let service: TestService;
beforeAll(async () => {
  issuer = await startIssuer();
  service = await startTestService({
    OIDC_ISSUER: issuer.url,
    OIDC_AUDIENCE: issuer.audience,
    OIDC_SUBJECTS: "alice, bob",
    OIDC_OPERATORS: "root",
  });
});
afterAll(async () => {
  await service.close();
  await issuer[Symbol.asyncDispose]();
});

/** Every route there is; that the document names them all is held elsewhere. */
async function routes(): Promise<{ name: string; method: string; url: string; operation: Operation }[]> {
  const { paths } = (await get(`${service.url}/openapi.json`)).json() as {
    paths: Record<string, Record<string, Operation>>;
  };
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => {
      const url = service.url + path.replaceAll(/\{\w+\}/g, "some-job");
      return { name: `${method} ${path}`, method: method.toUpperCase(), url, operation };
    }),
  );
}
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe("callers without a token", () => {
  it("get 401 from every route but the open ones, and the document says so", async () => {
    const answers = await Promise.all(
      (await routes()).map(async (route) => {
        const methods = route.method === "GET" ? ["GET", "HEAD"] : [route.method];
        const replies = await Promise.all(methods.map((method) => send(method, route.url, undefined)));
        return { ...route, statuses: replies.map(({ status }) => status) };
      }),
    );

    const open = answers.filter(({ statuses }) => statuses.every((status) => status === 200));
    expect(open.map(({ name }) => name).toSorted()).toEqual(OPEN.toSorted());
    for (const { name, statuses, operation } of answers.filter((each) => !open.includes(each))) {
      expect([name, new Set(statuses)]).toEqual([name, new Set([401])]);
      expect(operation.security).toEqual([{ bearer: [] }, {}]);
      expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(["401", "403", "503"]));
    }
    for (const { operation } of open) expect(operation.security).toEqual([]);
  });

  it("are told which scheme to use, and nothing else", async () => {
    const reply = await get(`${service.url}/jobs`);

    expectRefusal(reply, "unauthenticated");
    expect(reply.headers["www-authenticate"]).toBe('Bearer realm="agent-executor"');
  });

  it.each([
    "/%6aobs",
    "/jobs?x=1",
    "/jobs/%2e%2e",
    "/jobs/",
    "//jobs",
    "/JOBS",
    "/jobs/a/cancel/",
    "/./jobs",
  ])("find no way around by writing the path as %s", async (path) => {
    const { status } = await sendRaw(service.url, [`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`]);

    expect([401, 404]).toContain(status);
  });

  it("are answered before their body is read, however long it takes to come", async () => {
    using line = await RawConnection.open(service.url);

    await line.send("POST / HTTP/1.1\r\nHost: x\r\ncontent-length: 1000000\r\n\r\n{");

    expect((await line.read()).status).toBe(401);
  });

  it("are not told apart where OIDC is not configured", async () => {
    const without = await startTestService();

    const event = executeEvent();
    expect((await postEvent(without.url, event)).status).toBe(200);
    expect((await get(`${without.url}/jobs/${event.data["job_id"]}`)).status).toBe(200);

    const [job] = await without.database.sql("select owner from agent_executor.jobs");
    expect(job).toEqual({ owner: null });
    await without.close();
  });
});

describe("callers with a token", () => {
  it.each<[string, () => Promise<string>, number]>([
    ["of one who is listed", () => issuer.token({ sub: "bob" }), 200],
    ["of an operator", () => issuer.token({ sub: "root" }), 200],
    ["of one who is not listed", () => issuer.token({ sub: "mallory" }), 403],
    ["for another audience", () => issuer.token({ aud: "other" }), 401],
    ["that has expired", () => issuer.token({ exp: 1 }), 401],
    ["that is garbage", async () => "garbage", 401],
    ["of a key that nobody knows", () => issuer.token({}, { kid: "unknown" }), 401],
  ])("%s get their answer from every guarded route", async (_, token, expected) => {
    const answers = (await routes())
      .filter(({ name }) => !OPEN.includes(name))
      .map(async ({ method, url }) => await send(method, url, undefined, bearer(await token())));

    for (const reply of await Promise.all(answers)) {
      if (expected === 200) {
        expect([200, 400, 404, 422]).toContain(reply.status); // inside: no event, no such job
        continue;
      }
      expectRefusal(reply, expected === 401 ? "unauthenticated" : "forbidden");
      const challenge = expected === 401 ? 'Bearer realm="agent-executor", error="invalid_token"' : undefined;
      expect(reply.headers["www-authenticate"]).toBe(challenge);
    }
  });

  it("may write the scheme as they like, and spaces before and behind the token", async () => {
    const token = await issuer.token();

    for (const authorization of [`bearer ${token}`, `BEARER   ${token}  `]) {
      expect((await get(`${service.url}/jobs`, { headers: { authorization } })).status).toBe(200);
    }
  });

  it("say so once: of two headers none counts", async () => {
    const token = await issuer.token();
    const line = `Authorization: Bearer ${token}\r\n`;

    const reply = await sendRaw(service.url, [`GET /jobs HTTP/1.1\r\nHost: x\r\n${line}${line}\r\n`]);

    expect(reply.status).toBe(401);
  });

  it("are told to come again when the keys of the issuer are out of reach", async () => {
    const away = await startIssuer();
    const other = await startTestService({
      OIDC_ISSUER: away.url,
      OIDC_AUDIENCE: away.audience,
      OIDC_JWKS_URL: away.jwksUrl,
    });
    const token = await away.token();
    away.behave(503);

    const first: Reply = await postEvent(other.url, executeEvent(), bearer(token));

    expectRefusal(first, "issuer_unavailable");
    expect((await get(`${other.url}/ready`)).status).toBe(200); // known keys would go on
    await other.close();
    await away[Symbol.asyncDispose]();
  });

  it("never bring about a fault, whatever stands in the header", async () => {
    const good = await issuer.token();
    const parts = good.split(".");
    const bytes = fc.string({
      unit: fc
        .integer({ min: 0x20, max: 0xff })
        .filter((n) => n !== 0x7f) // at this one Node itself sees no HTTP
        .map((n) => String.fromCharCode(n)),
    });
    const segment = fc.oneof(
      fc.constantFrom(...parts, "", "e30", "bnVsbA", "W10", "=", "....", "eyJhbGciOiJub25lIn0"),
      fc.base64String(),
      fc.jsonValue({ maxDepth: 2 }).map((value) => Buffer.from(JSON.stringify(value)).toString("base64url")),
      fc
        .record({
          alg: fc.constantFrom("ES256", "none", "HS256", "RS256", 5, null),
          kid: fc.constantFrom("key-1", "", {}),
          crit: fc.constantFrom(undefined, ["b64"], 5),
          b64: fc.constantFrom(undefined, false),
          jwk: fc.constantFrom(undefined, {}, { kty: "EC" }),
        })
        .map((header) => Buffer.from(JSON.stringify(header)).toString("base64url")),
    );
    const value = fc.oneof(
      bytes,
      fc.array(segment, { maxLength: 5 }).map((all) => `Bearer ${all.join(".")}`),
      fc
        .tuple(fc.constantFrom("Basic", "bearer", "Bearer", "Digest", ""), bytes)
        .map((pair) => pair.join(" ")),
      fc.nat(good.length - 1).map((at) => `Bearer ${good.slice(0, at)}${good.slice(at + 1)}`),
    );

    await fc.assert(
      fc.asyncProperty(value, async (authorization) => {
        const reply = await sendRaw(service.url, [
          `GET /jobs HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`,
        ]);
        expect(reply.status).toBe(401);
        expect(Buffer.byteLength(reply.body)).toBeLessThan(768);
      }),
      { numRuns: 400 },
    );
  });
});
