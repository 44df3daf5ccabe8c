import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { echo, executeEvent, scripted } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { type OwnRedis, startOwnRedis } from "../support/own-redis.ts";
import { type PasswordRole, passwordRole } from "../support/password-role.ts";
import { get, postEvent } from "../support/post.ts";
import { type SpawnedService, spawnService } from "../support/process.ts";
import { startVault, type VaultDouble } from "../support/vault.ts";
import { until } from "../support/wait.ts";

/** The built service in production, with nothing but Vault to tell it who it is. */
describe("a process whose credentials are in Vault", () => {
  let vault: VaultDouble;
  let database: TestDatabase;
  let role: PasswordRole;
  let jwtFile: string;
  const passwords: string[] = [];

  const store = (password: string) => {
    passwords.push(password);
    const { host, port, database: name } = database;
    vault.put("postgres", { host, port: String(port), username: role.user, password, database: name });
  };
  const start = async (env: Record<string, string> = {}) => {
    const service = await spawnService({
      NODE_ENV: "production",
      HOST: "127.0.0.1",
      VAULT_ADDR: vault.url,
      VAULT_JWT_PATH: jwtFile,
      ALLOW_OFFLINE_MODELS: "true",
      LOG_LEVEL: "debug",
      ...env,
    });
    await service.waitForHealth();
    return service;
  };
  const readiness = async (service: SpawnedService) => {
    const { status, json } = await get(`${service.url}/ready`);
    return { code: status, ...(json() as { services: Record<string, boolean>; embedded: string[] }) };
  };
  const ready = (service: SpawnedService) =>
    until(async () => (await readiness(service)).code === 200, {
      what: "it to be ready",
      timeoutMs: 20_000,
    });
  const run = async (service: SpawnedService, definition: Record<string, unknown>, input: string) => {
    const event = executeEvent({ agent_definition: definition, input });
    const answer = await postEvent(service.url, event, { timeoutMs: 30_000 });
    return {
      jobId: String(event.data["job_id"]),
      status: answer.status,
      text: JSON.stringify(answer.headers) + answer.text,
    };
  };

  let redis: OwnRedis;
  beforeEach(async () => {
    vault = await startVault();
    database = await freshDatabase({ mayLeak: true });
    role = await passwordRole("the-first-password");
    jwtFile = join(tmpdir(), `jwt-${randomUUID()}`);
    passwords.length = 0;
    await vault.writeJwt(jwtFile);
    store("the-first-password");
    redis = await startOwnRedis({ password: "the-redis-password" });
    vault.put("redis", { host: "127.0.0.1", port: redis.port, password: "the-redis-password" });
    vault.put("llm-providers/openai", { api_key: "sk-the-openai-key" });
  });
  afterEach(async () => {
    await database[Symbol.asyncDispose]();
    await role[Symbol.asyncDispose]();
    await redis[Symbol.asyncDispose]();
    await vault[Symbol.asyncDispose]();
    await rm(jwtFile, { force: true });
  });

  it("gets ready while Vault is first sealed, says so, and gives its token back at the end", async () => {
    vault.behave({ sealed: true });
    const service = await start();
    await service.waitForLog(({ component }) => component === "vault");
    expect(await readiness(service)).toMatchObject({
      code: 503,
      services: { vault: false, postgres: false, redis: false },
      embedded: [],
    });

    const figures = (await get(`${service.url}/metrics`)).text;
    expect(figures).toMatch(/^agent_executor_vault_auth_failures_total [1-9]/m);

    vault.behave({});
    await ready(service);

    expect(await readiness(service)).toMatchObject({
      services: { vault: true, postgres: true, redis: true },
      embedded: [],
    });
    expect(vault.liveTokens()).toHaveLength(1);
    expect(await service.kill("SIGTERM")).toMatchObject({ code: 0 });
    expect(vault.liveTokens()).toEqual([]);
  }, 60_000);

  it("stops in order while it still waits for Vault", async () => {
    vault.behave({ sealed: true });
    const service = await start();

    expect(await service.kill("SIGTERM")).toMatchObject({ code: 0 });
  }, 30_000);

  it("loses no run while the password of Postgres changes under load, in either order", async () => {
    const service = await start({ VAULT_REFRESH_SECONDS: "1", PG_POOL_SIZE: "5" });
    await ready(service);
    await run(service, scripted("warm"), "x");
    const runs: ReturnType<typeof run>[] = [];
    const load = setInterval(() => void runs.push(run(service, scripted("done"), "x")), 50);
    const onlyNew = (since: Date) => async () => {
      const { older, newer } = await role.connectionsSince(since);
      return older === 0 && newer > 0;
    };

    let since = new Date();
    await role.setPassword("the-second-password");
    await until(() => runs.length > 15, { what: "runs between password and secret", timeoutMs: 15_000 });
    store("the-second-password");
    await until(onlyNew(since), { what: "connections by the second password", timeoutMs: 15_000 });

    since = new Date();
    store("the-third-password");
    const sent = runs.length;
    await until(() => runs.length > sent + 40, {
      what: "runs between secret and password",
      timeoutMs: 15_000,
    });
    await role.setPassword("the-third-password");
    await until(onlyNew(since), { what: "connections by the third password", timeoutMs: 15_000 });
    clearInterval(load);

    const ended = await Promise.all(runs);
    expect(ended.length).toBeGreaterThan(60);
    expect(ended.filter(({ status, text }) => status !== 200 || !text.includes("completed"))).toEqual([]);
    const stored = await database.sql("select status, count(*)::int from agent_executor.runs group by 1");
    expect(stored).toEqual([{ status: "completed", count: ended.length + 1 }]);
  }, 90_000);

  it("shows no secret in any log, answer, event or error", async () => {
    const service = await start({ ANTHROPIC_API_KEY: "sk-ant-of-the-environment" });
    await ready(service);
    const secrets = [
      "the-first-password",
      "the-redis-password",
      "sk-the-openai-key",
      "sk-ant-of-the-environment",
    ];
    const [token = ""] = vault.liveTokens();
    const [jwt = ""] = vault.asked("/login").map(({ body }) => (body as { jwt: string }).jwt);
    const all = [...secrets, token, jwt];
    const seen: string[] = [];

    const told = await run(service, echo(), `tell me: ${all.join(" and ")}`);
    seen.push(told.text, JSON.stringify(await (await fetch(`${service.url}/jobs/${told.jobId}`)).json()));
    expect(told.text).toContain("tell me: [redacted] and [redacted]");
    const job = `${service.url}/jobs/${told.jobId}`;
    const frames = (await get(`${job}/events`)).text;
    expect(frames).toContain("on_llm_stream");
    const { runs } = (await get(job)).json() as { runs: { run_id: string }[] }; // the contract of the route
    const details = (await get(`${job}/runs/${runs[0]?.run_id}`)).text;
    expect(details).toContain("tell me: [redacted]");
    seen.push(frames, details, (await get(`${job}/definition`)).text, (await get(`${job}/trace`)).text);
    const kept = await database.sql(
      "select outcome from agent_executor.runs union all select event from agent_executor.outbox",
    );
    seen.push(
      JSON.stringify(kept),
      JSON.stringify(await database.sql("select * from agent_executor.event_log")),
    );
    const failed = await run(
      service,
      { nodes: [{ type: "agent", name: all[0], model: { provider: all[1] } }] },
      "x",
    );
    seen.push(failed.text);
    const refused = await fetch(`${service.url}/jobs?status=${all[0]}`);
    seen.push(await refused.text());
    vault.revokeAll();
    vault.behave({ line: "drop" });
    await role.setPassword("the-fourth-password");
    await role.cutConnections();
    const isMissed = async () => {
      await get(`${service.url}/ready`);
      return service.logs.some(({ component }) => component === "vault");
    };
    await until(isMissed, { what: "Vault to be missed", timeoutMs: 20_000 });
    for (const path of ["/ready", "/metrics", "/openapi.json"])
      seen.push((await get(service.url + path)).text);
    await service.kill("SIGTERM");
    seen.push(...service.stdout, ...service.stderr);

    expect(seen.join("").length).toBeGreaterThan(3000);
    expect(all.filter((secret) => seen.some((text) => text.includes(secret)))).toEqual([]);
  }, 60_000);

  it("names everything that production lacks in one error, exits with 1, and within a second", async () => {
    const startedAt = performance.now();
    const service = await spawnService({ NODE_ENV: "production" });

    expect(await service.exited).toMatchObject({ code: 1 });

    expect(performance.now() - startedAt).toBeLessThan(2000); // 1 s, and what other tests take of the machine
    expect(service.stdout).toEqual([]);
    expect(service.stderr).toEqual([
      "The configuration is not usable:",
      "  PG_HOST or DATABASE_URL: missing; production needs a Postgres server (or VAULT_ADDR)",
      "  REDIS_HOST, REDIS_URL or VAULT_ADDR: missing; production needs Redis",
      "  OPENAI_API_KEY, ANTHROPIC_API_KEY or VAULT_ADDR: missing; production needs a model's key",
    ]);
  });
});
