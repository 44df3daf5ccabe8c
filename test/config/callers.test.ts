import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";
import { problemsOf } from "./support.ts";

const FULL = { OIDC_ISSUER: "https://issuer.example/realm", OIDC_AUDIENCE: "agents" };
const PRODUCTION = { NODE_ENV: "production", PG_HOST: "db", REDIS_HOST: "cache", OPENAI_API_KEY: "k" };
const problemOf = (env: Record<string, string>) => problemsOf(env).join("\n");

describe("the settings of callers", () => {
  it("are none unless an issuer is named", () => {
    expect(readConfig({}).config.oidc).toBeUndefined();
  });

  it("are an issuer, an audience and lists of subjects", () => {
    const lists = { OIDC_SUBJECTS: "system:serviceaccount:a:b, auth0|7", OIDC_OPERATORS: "root" };

    expect(readConfig({ ...FULL, ...lists }).config.oidc).toEqual({
      issuer: "https://issuer.example/realm",
      audience: "agents",
      jwksUrl: undefined,
      subjects: ["system:serviceaccount:a:b", "auth0|7"],
      operators: ["root"],
      caFile: undefined,
      tokenFile: undefined,
    });
  });

  it.each<[Record<string, string>, string]>([
    [{ OIDC_ISSUER: FULL.OIDC_ISSUER }, "OIDC_AUDIENCE: missing"],
    [{ OIDC_AUDIENCE: "agents" }, "OIDC_ISSUER: missing"],
    [{ OIDC_JWKS_URL: "https://issuer.example/keys" }, "OIDC_ISSUER: missing"],
    [{ OIDC_OPERATORS: "root" }, "OIDC_ISSUER: missing"],
    [{ OIDC_SUBJECTS: "alice" }, "OIDC_ISSUER: missing"],
    [{ OIDC_CACERT: "/ca" }, "OIDC_ISSUER: missing"],
    [{ ...FULL, OIDC_SUBJECTS: "alice,,bob" }, "OIDC_SUBJECTS"],
    [{ ...FULL, OIDC_ISSUER: "issuer.example" }, "OIDC_ISSUER"],
  ])("stop the start when half of them are there: %o", (env, problem) => {
    expect(problemOf(env)).toContain(problem);
  });

  it("demand TLS in production, but on this machine", () => {
    const plain = { ...FULL, OIDC_ISSUER: "http://issuer.example" };

    expect(problemOf(plain)).toBe("");
    expect(problemOf({ ...PRODUCTION, ...plain })).toContain("OIDC_ISSUER: without TLS");
    expect(problemOf({ ...PRODUCTION, ...FULL, OIDC_JWKS_URL: "http://keys.example" })).toContain(
      "OIDC_JWKS_URL: without TLS",
    );
    expect(problemOf({ ...PRODUCTION, ...FULL, OIDC_ISSUER: "http://127.0.0.1:1" })).toBe("");
    expect(problemOf({ ...PRODUCTION, ...FULL })).toBe("");
  });
});
