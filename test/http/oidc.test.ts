import { createHmac, generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { SignJWT, UnsecuredJWT } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OidcOptions, openOidc } from "../../src/http/oidc.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";

let issuer: Issuer;
let reported: string[];
beforeEach(async () => {
  issuer = await startIssuer();
  reported = [];
});
afterEach(() => issuer[Symbol.asyncDispose]());

const open = (over: Partial<OidcOptions> = {}) =>
  openOidc({
    issuer: issuer.url,
    audience: issuer.audience,
    subjects: [],
    operators: [],
    timeoutMs: 300,
    report: (error) => reported.push(String(error)),
    ...over,
  });
const codeOf = async (answer: Promise<unknown>) =>
  await answer.then(
    () => "let in",
    (error: { code?: string }) => error.code,
  );
const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

describe("a bearer token", () => {
  it("says who asks, found by the issuer's discovery document", async () => {
    const caller = await open()(await issuer.token({ sub: "system:serviceaccount:team:sender" }));

    expect(caller).toEqual({ subject: "system:serviceaccount:team:sender", groups: [], isOperator: false });
    expect(issuer.asked.map(({ path }) => path)).toEqual(["/.well-known/openid-configuration", "/keys"]);
  });

  it.each(["RS256", "PS384", "ES256", "ES512", "EdDSA"])("may be signed with %s", async (alg) => {
    await issuer.rotate({ alg });

    expect(await codeOf(open()(await issuer.token()))).toBe("let in");
  });

  it.each<[string, () => Record<string, unknown>]>([
    ["of another issuer", () => ({ iss: "https://elsewhere.example" })],
    ["of no issuer", () => ({ iss: undefined })],
    ["for another audience", () => ({ aud: "someone/else" })],
    ["for no audience", () => ({ aud: undefined })],
    ["for an audience that only begins like ours", () => ({ aud: `${issuer.audience}-2` })],
    ["that has expired", () => ({ exp: inSeconds(-60) })],
    ["that never expires", () => ({ exp: undefined })],
    ["that is not valid yet", () => ({ nbf: inSeconds(90) })],
    ["with an expiry that is no number", () => ({ exp: "tomorrow" })],
    ["without a subject", () => ({ sub: undefined })],
    ["with an empty subject", () => ({ sub: "" })],
    ["with a NUL in its subject, which Postgres would refuse", () => ({ sub: "a\u0000b" })],
    ["with a subject that is no text", () => ({ sub: 7 })],
    ["with a subject of 513 characters", () => ({ sub: "x".repeat(513) })],
  ])("%s is not accepted", async (_, claims) => {
    expect(await codeOf(open()(await issuer.token(claims())))).toBe("unauthenticated");
  });

  it.each<[string, () => Record<string, unknown>]>([
    ["with our audience among others", () => ({ aud: ["someone/else", issuer.audience] })],
    ["whose time ran out within the tolerance for clocks", () => ({ exp: inSeconds(-10) })],
    ["whose time begins within it", () => ({ nbf: inSeconds(10) })],
  ])("%s is accepted", async (_, claims) => {
    expect(await codeOf(open()(await issuer.token(claims())))).toBe("let in");
  });

  it("without a signature, or with one made of a shared secret, is not accepted", async () => {
    const claims = { iss: issuer.url, aud: issuer.audience, sub: "alice", exp: inSeconds(60) };
    const unsigned = new UnsecuredJWT(claims).encode();
    const shared = await new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(randomBytes(32));
    // The old trick: the public key as the secret.
    const [head, body] = [{ alg: "HS256", kid: "key-1" }, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString("base64url"),
    );
    const mac = createHmac("sha256", "public key").update(`${head}.${body}`).digest("base64url");

    for (const token of [unsigned, shared, `${head}.${body}.${mac}`]) {
      expect(await codeOf(open()(token))).toBe("unauthenticated");
    }
    expect(issuer.asked).toEqual([]); // nor is anything fetched for it
  });

  it("of someone else's key is not accepted, also under the name of ours", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const claims = { iss: issuer.url, aud: issuer.audience, sub: "alice", exp: inSeconds(60) };
    const forged = await new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", kid: "key-1" })
      .sign(privateKey);

    expect(await codeOf(open()(forged))).toBe("unauthenticated");
  });

  it("that was changed on the way is not accepted, and the refusal repeats nothing of it", async () => {
    const [head, , signature] = (await issuer.token({ sub: "bob" })).split(".");
    const other = Buffer.from(JSON.stringify({ iss: issuer.url, sub: "root-secret" })).toString("base64url");

    const error = await open()(`${head}.${other}.${signature}`).catch((thrown) => thrown);

    expect(error).toMatchObject({ code: "unauthenticated" });
    expect(inspect(error, { depth: 9 })).not.toContain("root-secret");
  });
});

describe("subjects", () => {
  it("that are not listed are refused once some are; operators need no place on the list", async () => {
    const identify = open({ subjects: ["alice"], operators: ["root"] });
    const as = async (sub: string) => identify(await issuer.token({ sub }));

    expect(await as("alice")).toEqual({ subject: "alice", groups: [], isOperator: false });
    expect(await as("root")).toEqual({ subject: "root", groups: [], isOperator: true });
    expect(await codeOf(as("mallory"))).toBe("forbidden");
    expect(await codeOf(as("alice "))).toBe("forbidden");
  });
});

describe("the issuer's server", () => {
  it("is asked at the place that was configured, with the token of the file, and only there", async () => {
    const folder = mkdtempSync(join(tmpdir(), "oidc-"));
    const tokenFile = join(folder, "token");
    writeFileSync(tokenFile, "pod-token\n");
    const elsewhere = await startIssuer();

    await open({ jwksUrl: issuer.jwksUrl, tokenFile })(await issuer.token());
    issuer.behave({ body: JSON.stringify({ issuer: issuer.url, jwks_uri: elsewhere.jwksUrl }) });
    await open({ tokenFile })(await issuer.token()).catch(() => undefined);

    expect(issuer.asked).toEqual([
      { path: "/keys", authorization: "Bearer pod-token" },
      { path: "/.well-known/openid-configuration", authorization: "Bearer pod-token" },
    ]);
    expect(elsewhere.asked).toEqual([{ path: "/keys", authorization: undefined }]);
    await elsewhere[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  it.each<[string, Parameters<Issuer["behave"]>[0]]>([
    ["hangs", "hang"],
    ["cuts the line", "drop"],
    ["fails", 500],
    ["redirects, which is not followed", 302],
    ["answers no JSON", { body: "<html>" }],
    ["answers something else", { body: "[]" }],
    ["answers null", { body: "null" }],
    ["publishes no keys", { body: '{"keys":[]}' }],
    ["answers without end", { body: `"${"x".repeat(300_000)}"` }],
  ])("that %s makes a first token wait for a retry", async (_, behaviour) => {
    issuer.behave(behaviour);

    const error = await open({ jwksUrl: issuer.jwksUrl })(await issuer.token()).catch((thrown) => thrown);

    expect(error).toMatchObject({ code: "issuer_unavailable", retryAfterSeconds: 2 });
    expect(reported).toHaveLength(1);
  });

  it("whose discovery document is another issuer's is not believed", async () => {
    issuer.behave({ body: JSON.stringify({ issuer: "https://x.example", jwks_uri: issuer.jwksUrl }) });

    expect(await codeOf(open()(await issuer.token()))).toBe("issuer_unavailable");
    expect(reported.join()).toContain("another issuer");
  });
});
