import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createLogger } from "../../src/observability/logger.ts";
import type { Secrets } from "../../src/secrets/secrets.ts";
import { openDatabase } from "../../src/service/database.ts";
import { modelSettings, openSecrets, whatToRead } from "../../src/service/secrets.ts";
import { openStreams } from "../../src/service/streams.ts";
import { freshDatabase } from "../support/databases.ts";
import { startOwnRedis } from "../support/own-redis.ts";
import { passwordRole } from "../support/password-role.ts";
import { startVault, type VaultDouble } from "../support/vault.ts";
import { until } from "../support/wait.ts";

describe("what the service takes from Vault", () => {
  let vault: VaultDouble;
  let jwtFile: string;
  let secrets: Secrets | undefined;
  const log = createLogger("silent");
  const configOf = (env: Record<string, string> = {}) =>
    readConfig({ VAULT_ADDR: vault.url, VAULT_JWT_PATH: jwtFile, ...env }).config;
  const open = async (env: Record<string, string> = {}) => {
    const config = configOf(env);
    secrets = await openSecrets(config, log);
    if (secrets === undefined) throw new Error("no Vault");
    await secrets.load();
    return { config, secrets };
  };
  beforeEach(async () => {
    vault = await startVault();
    jwtFile = join(tmpdir(), `jwt-${randomUUID()}`);
    await vault.writeJwt(jwtFile);
  });
  afterEach(async () => {
    await secrets?.close();
    await vault[Symbol.asyncDispose]();
    await rm(jwtFile, { force: true });
  });

  it("is what variables do not say, and in production it must be there", () => {
    expect(whatToRead(configOf())).toEqual({
      load: ["postgres", "redis", "openai", "anthropic"],
      needed: ["postgres"],
    });
    const some = { NODE_ENV: "production", PG_HOST: "db", OPENAI_API_KEY: "sk-1" };
    expect(whatToRead(configOf(some))).toEqual({
      load: ["postgres", "redis", "anthropic"],
      needed: ["redis"],
    });
    const all = { DATABASE_URL: "postgres://db", REDIS_URL: "redis://cache", ANTHROPIC_API_KEY: "sk-2" };
    expect(whatToRead(configOf({ ...some, ...all, PG_HOST: "" }))).toEqual({ load: [], needed: [] });
  });

  it("is used from the next call of a model on, where no variable says otherwise", async () => {
    vault.put("llm-providers/openai", { api_key: "sk-vault-1", base_url: "http://models" });
    vault.put("llm-providers/anthropic", { api_key: "sk-vault-2" });
    const { config, secrets } = await open({
      DATABASE_URL: "postgres://db",
      ANTHROPIC_API_KEY: "sk-variable",
    });

    expect(modelSettings(config, secrets).providers).toEqual({
      openai: { apiKey: "sk-vault-1", baseUrl: "http://models" },
      anthropic: { apiKey: "sk-variable", baseUrl: undefined },
    });

    vault.put("llm-providers/openai", { api_key: "sk-vault-3" });
    await secrets.refresh();
    expect(modelSettings(config, secrets).providers.openai).toEqual({ apiKey: "sk-vault-3" });
  });

  it("is where Redis is, whose password may change: streams go on with the new one", async () => {
    await using redis = await startOwnRedis({ password: "redis-password-1" });
    vault.put("redis", { host: "127.0.0.1", port: redis.port, password: "redis-password-1" });
    const { config, secrets } = await open({ DATABASE_URL: "postgres://db" });
    const streams = await openStreams(config, secrets, log);
    try {
      await until(() => streams.state().isUp, { what: "Redis" });
      const first = streams.redis?.();

      await first?.config("SET", "requirepass", "redis-password-2");
      vault.put("redis", { host: "127.0.0.1", port: redis.port, password: "redis-password-2" });
      await secrets.refresh();

      await until(() => streams.state().isUp && streams.redis?.() !== first, { what: "the new connection" });
      expect(await streams.redis?.()?.ping()).toBe("PONG");
    } finally {
      await streams.close();
    }
  });

  it("leaves streams in the process where it names no Redis", async () => {
    const { config, secrets } = await open({ DATABASE_URL: "postgres://db" });

    const streams = await openStreams(config, secrets, log);

    expect(streams).toMatchObject({ usesRedis: false, redis: undefined });
  });

  it("is a user of its own by the database engine, replaced when it is gone", async () => {
    await using database = await freshDatabase();
    const roles: Awaited<ReturnType<typeof passwordRole>>[] = [];
    const make = async () => {
      const role = await passwordRole(`leased-${randomUUID()}`);
      const password = `leased-${randomUUID()}`;
      await role.setPassword(password);
      roles.push(role);
      return { username: role.user, password };
    };
    vault.databaseRole("agents", { make, ttlSeconds: 60 });
    vault.put("postgres", { host: database.host, port: database.port, database: database.database });
    const { config, secrets } = await open({ VAULT_DATABASE_ROLE: "agents" });
    const db = await openDatabase(config, log, secrets);
    const who = async () => (await db.query<{ who: string }>("who", "select current_user as who"))[0]?.who;
    expect(await who()).toBe(roles[0]?.user);

    vault.revokeAll();
    await roles[0]?.setPassword("no longer known"); // as good as gone
    await roles[0]?.cutConnections();

    await until(async () => (await who()) === roles[1]?.user, { what: "the second user", timeoutMs: 10_000 });
    await db.close();
    for (const role of roles) await role[Symbol.asyncDispose]();
  });

  it("is read once for a command, which waits for nothing", async () => {
    const missing = openDatabase(configOf(), log);
    await expect(missing).rejects.toThrow("Vault has no secret for postgres");

    await using database = await freshDatabase();
    const { host, port, user, password } = database;
    vault.put("postgres", { host, port, username: user, password, database: database.database });
    const db = await openDatabase(configOf(), log);
    expect(await db.query("one", "select 1 as one")).toEqual([{ one: 1 }]);
    await db.close();

    expect(vault.liveTokens()).toEqual([]);
  });
});
