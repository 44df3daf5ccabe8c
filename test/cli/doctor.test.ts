import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../src/cli/doctor.ts";
import { runCommandLine } from "../../src/cli/run.ts";
import { readConfig } from "../../src/config.ts";
import { checksOf } from "../../src/service/doctor.ts";
import { emptyDatabase, freshDatabase, type TestDatabase } from "../support/databases.ts";
import { serviceUrl } from "../support/environment.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { runCommand } from "../support/process.ts";
import { type Sink, startSink } from "../support/sink.ts";
import { startVault, type VaultDouble } from "../support/vault.ts";
import { freePort } from "../support/wait.ts";

type Env = Record<string, string>;

/** What `agent-executor doctor` prints and ends with in this environment. */
async function doctor(env: Env, ...args: string[]): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  const code = await runCommandLine(["doctor", ...args], {
    openDatabase: () => Promise.reject(new Error("not asked for")),
    checks: async () => checksOf(readConfig(env).config),
    print,
    complain: print,
  });
  return { code, lines };
}

async function aServer(answer: Parameters<typeof createServer>[1]): Promise<{ url: string; server: Server }> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}`, server };
}

describe("the doctor", () => {
  let database: TestDatabase;
  let sink: Sink;
  let issuer: Issuer;
  let vault: VaultDouble;
  let jwtFile: string;
  let healthy: Env;
  let dead: number;
  beforeAll(async () => {
    database = await freshDatabase();
    sink = await startSink();
    issuer = await startIssuer();
    vault = await startVault();
    vault.put("llm-providers/anthropic", { api_key: "sk-ant" });
    jwtFile = join(tmpdir(), `jwt-${randomUUID()}`);
    await vault.writeJwt(jwtFile);
    dead = await freePort();
    healthy = {
      DATABASE_URL: database.url,
      K_SINK: sink.url,
      OIDC_ISSUER: issuer.url,
      OIDC_AUDIENCE: issuer.audience,
      VAULT_ADDR: vault.url,
      VAULT_JWT_PATH: jwtFile,
      REDIS_URL: serviceUrl("redis"),
      NATS_URL: serviceUrl("nats"),
      OPENAI_API_KEY: "sk-the-key",
      OPENAI_BASE_URL: `${sink.url}v1`,
    };
  });
  afterAll(async () => {
    await vault[Symbol.asyncDispose]();
    await rm(jwtFile, { force: true });
    await issuer[Symbol.asyncDispose]();
    await sink.close();
    await database[Symbol.asyncDispose]();
  });
  const lineOf = async (name: string, env: Env) =>
    (await doctor(env)).lines.find((line) => line.includes(`  ${name} `)) ?? "";

  it("finds everything well where it is, a line each, and sends no event", async () => {
    const { code, lines } = await doctor(healthy);

    expect(lines).toEqual([
      expect.stringMatching(/^ok {7}configuration +development profile$/),
      expect.stringMatching(/^ok {7}postgres +PostgreSQL \d.+ is up to date, clocks \d+ ms apart$/),
      expect.stringMatching(/^ok {7}sink +127\.0\.0\.1:\d+ answers, without TLS$/),
      expect.stringMatching(/^ok {7}oidc +http.+ publishes 1 key$/),
      expect.stringMatching(
        /^ok {7}vault +Vault at 127\.0\.0\.1:\d+ is active; logged in as agent-executor; \S+anthropic is there$/,
      ),
      expect.stringMatching(/^ok {7}redis +Redis [\d.]+ at .+:\d+$/),
      expect.stringMatching(/^ok {7}nats +NATS [\d.]+ at .+:\d+, with JetStream; .+$/),
      expect.stringMatching(/^ok {7}openai +127\.0\.0\.1:\d+ answers, without TLS$/),
    ]);
    expect(code).toBe(0);
    expect(sink.received).toEqual([]);
    expect(lines.join()).not.toContain("sk-the-key");
  });

  it("looks only at what is configured", async () => {
    const { lines } = await doctor({});

    expect(lines.map((line) => line.split(/ +/)[1])).toEqual(["configuration", "postgres"]);
  });

  it.each([
    ["K_CE_OVERRIDES", "{no", /K_CE_OVERRIDES is not JSON/],
    ["MCP_SERVERS", "/no/such.json", /MCP_SERVERS: \/no\/such\.json is no readable JSON file/],
    ["GRAPH_MODULES", "/no/such.json", /GRAPH_MODULES is not usable/],
    ["MODEL_PRICES", "/no/such.json", /MODEL_PRICES: \/no\/such\.json cannot be read/],
  ])("finds what would stop the start beside the variables themselves: %s", async (name, value, words) => {
    const line = await lineOf("configuration", { [name]: value });

    expect(line).toMatch(/^problem .+Fix: see docs\/configuration\.md$/);
    expect(line).toMatch(words);
  });

  it("finds everything that is away, at once, each with its fix, and ends with 1", async () => {
    const nobody = `http://127.0.0.1:${dead}`;
    const startedAt = performance.now();

    const { code, lines } = await doctor({
      DATABASE_URL: `postgres://user:the-password@127.0.0.1:${dead}/x`,
      K_SINK: nobody,
      OIDC_ISSUER: nobody,
      OIDC_AUDIENCE: "a",
      VAULT_ADDR: nobody,
      REDIS_HOST: "127.0.0.1",
      REDIS_PORT: String(dead),
      REDIS_PASSWORD: "the-password",
      NATS_URL: `nats://user:the-password@127.0.0.1:${dead}`,
      ANTHROPIC_API_KEY: "the-password",
      ANTHROPIC_BASE_URL: nobody,
    });

    const problems = lines.filter((line) => line.startsWith("problem"));
    expect(problems).toHaveLength(7);
    for (const line of problems) expect(line).toMatch(/^problem {2}\w+ +\S.*ECONNREFUSED.*\. Fix: \S.+$/);
    expect(lines.at(-1)).toBe("7 of 8 checks found a problem");
    expect(lines.join()).not.toContain("the-password");
    expect(code).toBe(1);
    expect(performance.now() - startedAt).toBeLessThan(8000);
  });

  it("gives up on what takes connections and stays silent", async () => {
    const server = createTcpServer((socket) => socket.on("error", () => undefined).resume()).listen(
      0,
      "127.0.0.1",
    );
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const silent = `127.0.0.1:${port}`;

    const { lines } = await doctor({
      ...healthy,
      DATABASE_URL: `postgres://user@${silent}/x`,
      VAULT_ADDR: `http://${silent}`,
      REDIS_URL: `redis://${silent}`,
      NATS_URL: silent,
    });

    const sick = lines.filter((line) => line.startsWith("problem")).map((line) => line.split(/ +/)[1]);
    expect(sick).toEqual(["postgres", "vault", "redis", "nats"]);
    server.close();
  });

  it.each([
    [429, /^problem .+login/], // a standby that does not forward is of no use
    [503, /^problem .+Vault is sealed\. Fix: unseal it/],
    [501, /^problem .+not initialised\. Fix: vault operator init/],
    [472, /^problem .+answers 472.+Fix: check VAULT_ADDR/],
    [404, /^problem .+answers 404/],
  ])("reads a health of %i", async (status, line) => {
    const { url, server } = await aServer((_request, response) => void response.writeHead(status).end("{}"));

    expect(await lineOf("vault", { VAULT_ADDR: url, VAULT_JWT_PATH: jwtFile })).toMatch(line);

    server.close();
  });

  it("tells what is wrong with the login to Vault, and with each path", async () => {
    const env = { VAULT_ADDR: vault.url, VAULT_JWT_PATH: jwtFile, PG_HOST: "db", PG_PASSWORD: "x" };

    const production = { ...env, NODE_ENV: "production" };
    expect(await lineOf("vault", { ...env, VAULT_JWT_PATH: "/no/such/file" })).toMatch(
      /no such file.+Fix: mount the service account's token at \/no\/such\/file, or set VAULT_JWT_PATH$/,
    );
    expect(await lineOf("vault", { ...env, VAULT_ROLE: "others" })).toMatch(
      /login as others: .+400 invalid role name "others"\. Fix: check VAULT_ROLE and VAULT_AUTH_MOUNT/,
    );
    expect(await lineOf("vault", production)).toMatch(
      /redis is not there\. Fix: vault kv put secret\/agent-executor\/redis/,
    );
    expect(await lineOf("vault", env)).toMatch(/^ok .+redis is not there, which is allowed/);
    vault.behave({ forbidden: () => true });
    expect(await lineOf("vault", env)).toMatch(
      /permission denied\. Fix: the policy must allow: path "secret\/data\/agent-executor\/redis" \{ capabilities/,
    );
    vault.behave({});
    expect(vault.liveTokens()).toEqual([]);
  });

  it("tells what is wrong with Postgres, and by which variable", async () => {
    const { host, port, user, password } = database;
    const env = { PG_HOST: host, PG_PORT: String(port), PG_USER: user ?? "", PG_PASSWORD: password ?? "" };

    const missing = await lineOf("postgres", { ...env, PG_DATABASE: "no_such_database" });
    const stranger = await lineOf("postgres", {
      ...env,
      PG_USER: "no_such_user",
      PG_DATABASE: database.database,
    });

    expect(missing).toMatch(/does not exist\. Fix: create the database, or correct PG_DATABASE$/);
    expect(stranger).toMatch(/^problem .+Fix: (correct PG_USER|check PG_HOST)/);
  });

  it("says that tables are still to be made, and when this user may not make them", async () => {
    const empty = await emptyDatabase();
    await empty.sql("create role doctor_visitor login password 'x'").catch(() => undefined);

    const before = await lineOf("postgres", { DATABASE_URL: empty.url });
    const visitor = await lineOf("postgres", {
      DATABASE_URL: empty.url,
      PG_USER: "doctor_visitor",
      PG_PASSWORD: "x",
    });

    expect(before).toMatch(/^ok .+gets \d+ migrations at the next start/);
    expect(visitor).toMatch(/^problem .+may not make tables\. Fix: grant create on database/);
    await empty[Symbol.asyncDispose]();
    await database.sql("drop role doctor_visitor");
  });

  it("knows a database that a later edition has migrated", async () => {
    const later = await freshDatabase();
    await later.sql("insert into agent_executor.migrations (name) values ('9999-later.sql')");

    expect(await lineOf("postgres", { DATABASE_URL: later.url })).toContain(
      "by a later edition (9999-later.sql)",
    );
    await later[Symbol.asyncDispose]();
  });

  it("finds what answers but is not what it should be", async () => {
    const nats = await lineOf("nats", { NATS_URL: sink.url.replace("http:", "nats:").replace(/\/$/, "") });
    const redis = await lineOf("redis", { REDIS_URL: vault.url.replace("http:", "redis:") });
    const oidc = await lineOf("oidc", { OIDC_ISSUER: vault.url, OIDC_AUDIENCE: "a" });
    const sinkToken = await lineOf("sink", { K_SINK: sink.url, SINK_TOKEN_FILE: "/no/such/file" });

    for (const line of [nats, redis, oidc, sinkToken]) expect(line).toMatch(/^problem/);
    expect(sinkToken).toContain("there is no file /no/such/file");
  });

  it("prints the same as JSON, and takes no other argument", async () => {
    const { code, lines } = await doctor({ ...healthy, K_SINK: `http://127.0.0.1:${dead}` }, "--json");

    const { ok, checks } = JSON.parse(lines[0] ?? "") as { ok: boolean; checks: Finding[] };
    expect([code, ok]).toEqual([1, false]);
    expect(checks.filter((check) => !check.ok)).toEqual([
      {
        name: "sink",
        ok: false,
        detail: expect.any(String),
        fix: expect.any(String),
        ms: expect.any(Number),
      },
    ]);
    expect((await doctor(healthy, "--yaml")).code).toBe(2);
  });

  it.each([
    [["doctor"], 1, /^problem {2}vault .+ECONNREFUSED/m],
    [["outbox", "list"], 3, /^Vault does not answer \(.+ECONNREFUSED\): agent-executor doctor says more$/m],
  ])(
    "has its say as a process too where nothing but a Vault that is away is waited for: %j",
    async (args, code, words) => {
      const { PATH } = process.env;
      const env = {
        PATH,
        PG_HOST: "127.0.0.1",
        VAULT_ADDR: `http://127.0.0.1:${dead}`,
        VAULT_JWT_PATH: jwtFile,
      };

      const ended = await runCommand(process.execPath, ["--import", "tsx", "src/cli.ts", ...args], { env });

      expect(ended.code).toBe(code);
      expect(ended.stdout + ended.stderr).toMatch(words);
    },
  );

  it("says as a process too what is wrong with the configuration", async () => {
    const { PATH } = process.env;
    const env = { PATH, NODE_ENV: "production", PORT: "eighty" };

    const { code, stdout } = await runCommand(process.execPath, ["--import", "tsx", "src/cli.ts", "doctor"], {
      env,
    });

    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^problem {2}configuration .+PORT: "eighty" is not usable.+PG_HOST or DATABASE_URL: missing/,
    );
    expect(stdout.trim().split("\n")).toHaveLength(1);
  });
});
