import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startVault, type VaultDouble } from "../support/vault.ts";
import { until } from "../support/wait.ts";
import { type Client, type ClientOptions, clientOf, fill } from "./support.ts";

describe("the secrets of the service", () => {
  let vault: VaultDouble;
  let client: Client;
  beforeEach(async () => {
    vault = await startVault();
    fill(vault);
  });
  afterEach(async () => {
    await client.secrets.close();
    await vault[Symbol.asyncDispose]();
  });
  const load = async (options: ClientOptions = {}) => {
    client = await clientOf(vault, options);
    await client.secrets.load();
    return client.secrets;
  };

  it("come from the four paths, typed; one of a provider may be missing, with a warning", async () => {
    const secrets = await load();

    expect(secrets.values).toEqual({
      postgres: { host: "db", port: 5432, user: "app", password: "first-password", database: "agents" },
      redis: { host: "cache", port: 6380, password: "redis-password" },
      openai: { apiKey: "sk-openai-1" },
    });
    expect(secrets.isUsable).toBe(true);
    expect(client.reports).toEqual([
      "a secret that is optional: Error: secret/data/agent-executor/llm-providers/anthropic does not exist",
    ]);
    for (const secret of ["first-password", "redis-password", "sk-openai-1", ...vault.liveTokens()]) {
      expect(client.hidden).toContain(secret);
    }
    expect(client.hidden).not.toContain("db");
  });

  it("are waited for: sealed at the start, unsealed later, without a restart", async () => {
    vault.behave({ sealed: true });
    client = await clientOf(vault);
    const loaded = client.secrets.load();
    await until(() => vault.requests.length > 4, { what: "some tries" });
    expect(client.secrets.isUsable).toBe(false);

    vault.behave({});
    await loaded;

    expect(client.secrets.isUsable).toBe(true);
    expect(client.reports[0]).toContain("503 Vault is sealed");
  });

  it("are waited for: without the one of Postgres nothing begins", async () => {
    vault.remove("postgres");
    client = await clientOf(vault);
    const loaded = client.secrets.load();
    await until(() => client.reports.length > 0, { what: "a complaint" });
    expect(client.secrets.isUsable).toBe(false);

    vault.put("postgres", { host: "db", username: "app", password: "second-password" });
    await loaded;

    expect(client.secrets.values.postgres?.password).toBe("second-password");
    expect(client.reports.filter((report) => report.includes("/postgres"))).toHaveLength(1);
  });

  it("that are not usable are named by their field, and never by its value", async () => {
    vault.put("redis", { host: "cache", port: "six-thousand" });

    await load();

    expect(client.reports.join()).toContain("redis is not usable: its port is not a number");
    expect(client.reports.join()).not.toContain("six-thousand");
  });

  it("are read again, and who listens is told of what changed and of nothing else", async () => {
    const secrets = await load({ refreshSeconds: 1 });
    const told: string[] = [];
    secrets.on("redis", () => told.push(`redis ${secrets.values.redis?.password}`));
    secrets.on("postgres", () => told.push("postgres"));

    vault.put("redis", { host: "cache", port: 6380, password: "redis-password-2" });

    await until(() => told.length > 0, { what: "the news" });
    const rounds = vault.asked("/redis").length;
    await until(() => vault.asked("/redis").length > rounds + 1, { what: "another round" });
    expect(told).toEqual(["redis redis-password-2"]);
  });

  it("stay as they were while Vault is away, and when they are deleted", async () => {
    const secrets = await load();
    vault.remove("postgres");
    await secrets.refresh();
    vault.behave({ line: "drop" });
    await expect(secrets.refresh()).rejects.toThrow("ECONNRESET");

    expect(secrets.values.postgres?.password).toBe("first-password");
    expect(secrets.isUsable).toBe(true);
  });

  it("are not read where the policy forbids an optional one, which harms nobody", async () => {
    vault.behave({ forbidden: (path) => path.includes("llm-providers") });

    const secrets = await load();

    expect(secrets.isUsable).toBe(true);
    expect(client.reports.join()).toContain("a secret that is optional (check the policy)");
  });

  it("end their waiting when the process stops", async () => {
    vault.behave({ sealed: true });
    client = await clientOf(vault);
    const loaded = client.secrets.load();
    client.secrets.giveUp();

    await expect(loaded).rejects.toThrow();
  });

  describe("with a database user by lease", () => {
    let made = 0;
    const load2 = async (ttlSeconds: number) => {
      made = 0;
      const make = async () => ({ username: `v-${++made}`, password: `leased-password-${made}` });
      vault.databaseRole("agent-executor", { make, ttlSeconds });
      return await load({ databasePath: "database/creds/agent-executor" });
    };

    it("keep it alive by renewing its lease", async () => {
      const secrets = await load2(1);
      await until(() => vault.asked("/leases/renew").length >= 3, { what: "renewals" });

      expect(secrets.values.postgres).toMatchObject({
        host: "db",
        user: "v-1",
        password: "leased-password-1",
      });
      expect(made).toBe(1);
      expect(client.hidden).toContain("leased-password-1");
    });

    it("take a new one when the token that made it is gone, and tell of it", async () => {
      const secrets = await load2(1);
      const told: (string | undefined)[] = [];
      secrets.on("postgres", () => told.push(secrets.values.postgres?.user));

      vault.revokeAll();

      await until(() => told.includes("v-2"), { what: "another user" });
      expect(secrets.isUsable).toBe(true);
    });

    it("say when what they had has run out", async () => {
      const secrets = await load2(1);
      vault.behave({ line: "drop" });

      await until(() => !secrets.isUsable, { what: "the lease to end" });
      vault.behave({});
      await until(() => secrets.isUsable, { what: "a new one" });
    });
  });
});
