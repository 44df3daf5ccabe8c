import { jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KeySet } from "../../src/http/key-set.ts";
import { fetchKeys } from "../../src/http/oidc.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { until } from "../support/wait.ts";

const MINUTE = 60_000;

describe("the keys of an issuer", () => {
  let issuer: Issuer;
  let now: number;
  let failures: number;
  let keys: KeySet;
  beforeEach(async () => {
    issuer = await startIssuer();
    now = 1_000_000;
    failures = 0;
    keys = new KeySet({
      fetch: () => fetchKeys({ issuer: issuer.url, jwksUrl: issuer.jwksUrl, timeoutMs: 300 }),
      report: () => failures++,
      now: () => now,
    });
  });
  afterEach(() => issuer[Symbol.asyncDispose]());
  /** "let in", or why not. */
  const verify = (token: string) =>
    jwtVerify(token, keys.find).then(
      () => "let in",
      (error: { code: string }) => error.code,
    );
  const fetches = () => issuer.asked.length;

  it("are fetched once for a hundred tokens that come at the same time", async () => {
    const tokens = await Promise.all(Array.from({ length: 100 }, () => issuer.token()));

    const answers = await Promise.all(tokens.map(verify));

    expect(new Set(answers)).toEqual(new Set(["let in"]));
    expect(fetches()).toBe(1);
  });

  it("are fetched again for a key that is new, and the old one goes on working", async () => {
    const old = await issuer.token();
    await verify(old);
    await issuer.rotate();
    now += 11_000;

    expect(await verify(await issuer.token())).toBe("let in");
    expect(await verify(old)).toBe("let in");
    expect(fetches()).toBe(2);
  });

  it("are not fetched more often for anybody who makes key names up", async () => {
    await verify(await issuer.token());
    now += 11_000;

    for (let n = 0; n < 50; n++) {
      expect(await verify(await issuer.token({}, { kid: `made-up-${n}` }))).toBe("ERR_JWKS_NO_MATCHING_KEY");
    }

    expect(fetches()).toBe(2);
  });

  it("are forgotten when the issuer has withdrawn them: at once after a pause, soon when busy", async () => {
    const old = await issuer.token();
    await verify(old);
    await issuer.rotate({ revoke: true });

    now += 4 * MINUTE;
    expect(await verify(old)).toBe("let in"); // nobody has looked yet
    now += 2 * MINUTE;
    await verify(old); // looks beside the request
    await until(() => fetches() === 2, { what: "the second fetch" });
    const refused = async () => (await verify(old)) !== "let in";
    await until(refused, { what: "the old key to be forgotten" });

    const next = await issuer.token();
    expect(await verify(next)).toBe("let in");
    await issuer.rotate({ revoke: true });
    now += 20 * MINUTE;
    expect(await verify(next)).toBe("ERR_JWKS_NO_MATCHING_KEY");
  });

  it("go on working for days while the issuer is away; new ones wait for it", async () => {
    const known = await issuer.token();
    await verify(known);
    await issuer.rotate();
    const unknown = await issuer.token();
    issuer.behave("drop");

    for (let hour = 0; hour < 48; hour++) {
      now += 60 * MINUTE;
      expect(await verify(known)).toBe("let in");
      expect(await verify(unknown)).toBe("issuer_unavailable");
    }

    issuer.behave("ok");
    now += 3_000;
    expect(await verify(unknown)).toBe("let in");
  });

  it("are asked for once in a while only, as long as the issuer is away", async () => {
    issuer.behave(503);
    const token = await issuer.token();

    for (let n = 0; n < 50; n++) expect(await verify(token)).toBe("issuer_unavailable");

    expect([fetches(), failures]).toEqual([1, 1]);
    issuer.behave("ok");
    now += 2_500;
    expect(await verify(token)).toBe("let in");
  });

  it("hold up nobody whose key is known when the issuer is slow, but once after a long pause", async () => {
    const token = await issuer.token();
    await verify(token);
    issuer.behave("hang");
    now += 6 * MINUTE;

    const startedAt = performance.now();
    expect(await verify(token)).toBe("let in");
    expect(performance.now() - startedAt).toBeLessThan(150);

    await until(() => failures === 1, { what: "the fetch to be given up" });
    now += 60 * MINUTE;
    expect(await verify(token)).toBe("let in"); // within the limit of the fetch
    expect(failures).toBe(2);
  });
});
