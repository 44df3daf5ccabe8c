import { describe, expect, test } from "vitest";
import { secretsIn } from "../../src/config.ts";
import { configOf, problemsOf } from "./support.ts";

describe("profiles", () => {
  test("nothing set means development: embedded Postgres, this machine only, offline models", () => {
    const config = configOf({});
    expect(config).toMatchObject({
      profile: "development",
      logLevel: "info",
      shutdownGraceSeconds: 25,
      server: { port: 8080, host: "127.0.0.1", maxBodyBytes: 1_048_576, bodyTimeoutSeconds: 30 },
      postgres: { kind: "embedded", dataDir: ".data", schema: "agent_executor" },
      sink: undefined,
      events: { typePrefix: "dev.my-platform.agent", source: "agent-executor-service" },
      models: { allowOffline: true, baseUrls: [] },
      runs: { maxConcurrent: 32, maxQueued: 1000, maxQueuedPerJob: 100, leaseSeconds: 30, maxAttempts: 5 },
    });
  });

  test.each([{ NODE_ENV: "production" }, { K_SERVICE: "agents" }, { KUBERNETES_SERVICE_HOST: "10.0.0.1" }])(
    "%o means production: every address, no offline models",
    (sign) => {
      const config = configOf({ ...sign, PG_HOST: "db", REDIS_HOST: "cache", OPENAI_API_KEY: "k" });
      expect(config.profile).toBe("production");
      expect(config.server.host).toBe("0.0.0.0");
      expect(config.models.allowOffline).toBe(false);
    },
  );

  test("production without Postgres and Redis is refused, in the same error as everything else", () => {
    const problems = problemsOf({ NODE_ENV: "production", PORT: "eighty", K_SNK: "http://sink" });
    expect(problems).toEqual([
      "K_SNK: no such variable; did you mean K_SINK?",
      'PORT: "eighty" is not usable; expected a whole number from 0 to 65535',
      "PG_HOST or DATABASE_URL: missing; production needs a Postgres server (or VAULT_ADDR)",
      "REDIS_HOST, REDIS_URL or VAULT_ADDR: missing; production needs Redis",
      "OPENAI_API_KEY, ANTHROPIC_API_KEY or VAULT_ADDR: missing; production needs a model's key",
    ]);
  });

  test("production takes from Vault what variables do not say", () => {
    const config = configOf({
      NODE_ENV: "production",
      VAULT_ADDR: "http://vault:8200/",
      VAULT_DATABASE_ROLE: "agents",
    });
    expect(config.vault).toMatchObject({
      address: "http://vault:8200/",
      role: "agent-executor",
      kvMount: "secret",
      prefix: "agent-executor",
      refreshSeconds: 300,
      databasePath: "database/creds/agents",
    });
    expect(config.postgres).toMatchObject({ kind: "vault", schema: "agent_executor" });
  });

  test.each([
    [{ PG_HOST: "db", PG_PASSWORD: "x" }, "server"],
    [{ DATABASE_URL: "postgres://db" }, "server"],
    [{ PG_HOST: "db" }, "vault"],
    [{ PG_DATABASE: "agents" }, "vault"],
  ])("with Vault, %o means Postgres by %s", (given, kind) => {
    expect(configOf({ VAULT_ADDR: "http://vault:8200", ...given }).postgres.kind).toBe(kind);
  });

  test("the secrets of the environment are known, those in URLs too", () => {
    const url = "postgres://user:p%40ss@db/x";
    const secrets = secretsIn({
      DATABASE_URL: url,
      OPENAI_API_KEY: "sk-1",
      PG_HOST: "db",
      REDIS_URL: "redis://u:%zz@c",
    });
    expect(secrets).toEqual(expect.arrayContaining([url, "p%40ss", "p@ss", "sk-1", "%zz"]));
    expect(secrets).not.toContain("db");
  });

  test("what is said explicitly beats the profile", () => {
    const config = configOf({
      K_SERVICE: "agents",
      K_REVISION: "agents-00007",
      DATABASE_URL: "postgres://db",
      REDIS_URL: "redis://cache",
      HOST: "::1",
      ALLOW_OFFLINE_MODELS: "true",
    });
    expect(config.server.host).toBe("::1");
    expect(config.models.allowOffline).toBe(true);
    expect(config.platform).toEqual({ service: "agents", revision: "agents-00007" });
    expect(configOf({ ALLOW_OFFLINE_MODELS: "False" }).models.allowOffline).toBe(false);
  });
});
