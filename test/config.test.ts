import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { variables } from "../src/config/variables.ts";
import { readConfig, readEnvironment, secretsIn } from "../src/config.ts";

type Env = Record<string, string | undefined>;
const configOf = (env: Env) => readConfig(env).config;
const notesOf = (env: Env) => readConfig(env).notes.join("\n");

/** The lines under the headline of the one start-up error. */
function problemsOf(env: Env): string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    const [headline, ...lines] = String((error as Error).message).split("\n");
    expect(headline).toBe("The configuration is not usable:");
    return lines.map((line) => line.trim());
  }
}

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

describe("values", () => {
  test.each([
    ["PORT", "65536"],
    ["PORT", "-1"],
    ["PORT", "80.5"],
    ["PORT", "1e3"],
    ["PORT", "0x50"],
    ["MAX_BODY_BYTES", "65535"],
    ["RUN_LEASE_SECONDS", "2"],
    ["LOG_LEVEL", "loud"],
    ["HOST", "http://0.0.0.0"],
    ["ALLOW_OFFLINE_MODELS", "yes"],
    ["PG_SCHEMA", 'agents"; drop'],
    ["EVENT_TYPE_PREFIX", "dev.agent."],
    ["EVENT_SOURCE", "my service"],
    ["K_SINK", "sink.default.svc"],
    ["K_SINK", "/relative"],
    ["K_SINK", "tcp://10.0.0.1:80"],
    ["OPENAI_BASE_URL", "ftp://models"],
    ["MODEL_BASE_URLS", "https://a.example,,https://b.example"],
  ])("%s refuses %s, shows it and says what it expects", (name, value) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name}: .+ is not usable; expected .+`));
    expect(problems[0]).toContain(JSON.stringify(value));
  });

  test.each(variables.filter((row) => row.type === "integer"))(
    "$name takes its limits and nothing beyond",
    (row) => {
      const { name, minimum = Number.NaN, maximum = Number.NaN } = row;
      const base = { PG_HOST: "db", REDIS_HOST: "redis" };
      for (const value of [minimum, maximum]) expect(problemsOf({ ...base, [name]: `${value}` })).toEqual([]);
      for (const value of [minimum - 1, maximum + 1]) {
        expect(problemsOf({ ...base, [name]: `${value}` })).toHaveLength(1);
      }
    },
  );

  test("Redis is named by its parts or by a URL, and a part goes before the URL", () => {
    const url = "rediss://ann:p%40ss@cache.example:7000/3";
    const server = { host: "cache.example", port: 7000, username: "ann", database: 3, tls: true };

    expect(configOf({ REDIS_URL: url }).redis).toMatchObject({ ...server, password: "p@ss" });
    expect(configOf({ REDIS_URL: url, REDIS_PASSWORD: "other" }).redis).toMatchObject({ password: "other" });
    expect(configOf({ REDIS_HOST: "redis", REDIS_PORT: "tcp://10.0.0.1:6379" }).redis).toMatchObject({
      host: "redis",
      port: 6379,
      tls: false,
    });
    expect(configOf({}).redis).toBeUndefined();
    for (const wrong of ["http://x", "redis", "redis://h/one"]) {
      expect(problemsOf({ REDIS_URL: wrong })).toEqual([expect.stringContaining("REDIS_URL: the value")]);
    }
  });

  test("production may leave Redis to Vault", () => {
    const vault = { NODE_ENV: "production", PG_HOST: "db", VAULT_ADDR: "https://vault" };
    expect(configOf(vault).redis).toBeUndefined();
  });

  test("an empty or blank value is no value", () => {
    const blank = Object.fromEntries(variables.map(({ name }) => [name, ""]));
    expect(configOf(blank)).toEqual(configOf({}));
    expect(configOf({ PORT: "  ", K_CE_OVERRIDES: "" })).toEqual(configOf({}));
  });

  test("space around a value and the newline at the end of a secret file do not count", () => {
    const config = configOf({
      PORT: " 9000 ",
      LOG_LEVEL: "DEBUG",
      OPENAI_API_KEY: "sk-1\n",
      K_SINK: "http://s\n",
    });
    expect(config.server.port).toBe(9000);
    expect(config.logLevel).toBe("debug");
    expect(config.models.openai.apiKey).toBe("sk-1");
    expect(config.sink?.url).toBe("http://s");
  });

  test("a sink brings its time limits along, and the overrides are handed on as text", () => {
    const config = configOf({
      K_SINK: "https://broker/ns/default",
      K_SINK_TIMEOUT: "3",
      K_CE_OVERRIDES: "{}",
    });
    expect(config.sink).toEqual({ url: "https://broker/ns/default", timeoutSeconds: 3, deadlineSeconds: 10 });
    expect(config.events.ceOverrides).toBe("{}");
  });

  test("MODEL_BASE_URLS is a list", () => {
    const { models } = configOf({ MODEL_BASE_URLS: "https://a.example/v1, http://localhost:11434" });
    expect(models.baseUrls).toEqual(["https://a.example/v1", "http://localhost:11434"]);
  });

  test("a long value is cut and a control character is escaped in the message", () => {
    expect(problemsOf({ PORT: "9".repeat(500) })[0]?.length).toBeLessThan(150);
    expect(problemsOf({ PORT: "80\n80" })).toHaveLength(1);
  });

  test.each(["K_SINK", "OPENAI_BASE_URL", "MODEL_BASE_URLS"])(
    "%s with a password is refused unseen",
    (name) => {
      const problems = problemsOf({ [name]: "https://me:hunter2@example.com" });
      expect(problems).toEqual([expect.stringContaining("without user and password")]);
      expect(problems[0]).not.toContain("hunter2");
    },
  );

  test("the configuration cannot be changed, however deep", () => {
    const config = configOf({ PG_HOST: "db", K_SINK: "http://s" });
    const parts = [
      config,
      config.server,
      config.postgres,
      config.sink,
      config.models.openai,
      config.models.baseUrls,
    ];
    expect(parts.filter((part) => !Object.isFrozen(part))).toEqual([]);
  });
});

describe("Postgres", () => {
  test("a host alone is enough for a stock server", () => {
    expect(configOf({ PG_HOST: "127.0.0.1" }).postgres).toEqual({
      kind: "server",
      host: "127.0.0.1",
      port: 5432,
      user: "postgres",
      password: undefined,
      database: "postgres",
      ssl: false,
      poolSize: 10,
      schema: "agent_executor",
    });
  });

  test("any parts survive the way through DATABASE_URL", () => {
    const part = fc.string({ unit: "binary", minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(part, part, part, (user, password, database) => {
        const [u, p, d] = [user, password, database].map(encodeURIComponent);
        const { postgres } = configOf({ DATABASE_URL: `postgresql://${u}:${p}@[::1]:6543/${d}` });
        expect(postgres).toMatchObject({ host: "::1", port: 6543, user, password, database });
      }),
    );
  });

  test.each([
    ["disable", false],
    ["no-verify", { rejectUnauthorized: false }],
    ["require", { rejectUnauthorized: true }],
    ["verify-full", { rejectUnauthorized: true }],
  ])("sslmode=%s", (mode, ssl) => {
    expect(configOf({ DATABASE_URL: `postgres://db/x?sslmode=${mode}` }).postgres).toMatchObject({ ssl });
  });

  test("an unknown sslmode is refused, and a parameter that is not used is named", () => {
    expect(problemsOf({ DATABASE_URL: "postgres://db?sslmode=prefer" })).toEqual([
      "DATABASE_URL: its sslmode is not known; expected one of disable, no-verify, require, verify-full",
    ]);
    const notes = notesOf({ DATABASE_URL: "postgres://db?sslmode=require&channel_binding=require" });
    expect(notes).toBe("DATABASE_URL: its channel_binding is not used");
  });

  test("a socket folder may be the host", () => {
    const inQuery = configOf({ DATABASE_URL: "postgres:///app?host=/var/run/postgresql" }).postgres;
    expect(inQuery).toMatchObject({ host: "/var/run/postgresql", database: "app" });
    const alone = configOf({ PG_HOST: "/var/run/postgresql" }).postgres;
    expect(alone).toMatchObject({ host: "/var/run/postgresql" });
  });

  test("single variables replace their part of DATABASE_URL, and a note says so", () => {
    const env = { DATABASE_URL: "postgres://u:p@db:1/x", PG_HOST: "other", PG_PASSWORD: "q" };
    expect(configOf(env).postgres).toMatchObject({
      host: "other",
      port: 1,
      user: "u",
      password: "q",
      database: "x",
    });
    expect(notesOf(env)).toBe("PG_HOST, PG_PASSWORD replaces its part of DATABASE_URL");
  });

  test("a user without a host is refused, not ignored", () => {
    expect(problemsOf({ PG_USER: "me" })).toEqual([
      "PG_HOST: missing, while PG_USER is set; expected a host name",
    ]);
  });

  test.each([
    "mysql://u:hunter2@db/x",
    "hunter2",
    "postgres://u:hunter2%zz@db/x",
    "postgres://u:1/hunter2@db/x",
    "postgres://u:1?hunter2@db/x",
    "postgres://u:1#hunter2@db/x",
    "postgres://u:hunter2:x@db:port/x",
  ])("a DATABASE_URL that cannot be read is refused unseen: %s", (url) => {
    const problems = problemsOf({ DATABASE_URL: url });
    expect(problems).toEqual([expect.stringContaining("DATABASE_URL: cannot be read")]);
    expect(problems.join()).not.toContain("hunter2");
  });

  test("no password is quoted in an error or a note, wherever it stands", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 6 }), (tail) => {
        const password = `Zq9${tail}`;
        const env = { DATABASE_URL: `postgres://u:${password}@db/x`, PG_USER: "me", PORT: "x" };
        expect(problemsOf(env).join("\n")).not.toContain("Zq9");
        const readable = { ...env, PORT: undefined };
        if (problemsOf(readable).length === 0) expect(notesOf(readable)).not.toContain("Zq9");
      }),
    );
  });
});

describe("names", () => {
  test.each([
    ["PG_PASSWRD", "PG_PASSWORD"],
    ["DATABSE_URL", "DATABASE_URL"],
    ["DATABASE_URI", "DATABASE_URL"],
    ["K_SNK", "K_SINK"],
    ["MAX_BODY_BYTE", "MAX_BODY_BYTES"],
    ["MODEL_BASE_URL", "MODEL_BASE_URLS"],
    ["OPENAI_APIKEY", "OPENAI_API_KEY"],
    ["GP_HOST", "PG_HOST"],
    ["PROT", "PORT"],
    ["AGENT_EXECUTOR_PORT", "PORT"],
    ["AGENT_EXECUTOR_LOGLEVEL", "LOG_LEVEL"],
  ])("%s stops the start: %s was meant", (name, meant) => {
    expect(problemsOf({ [name]: "s3cret" })).toEqual([`${name}: no such variable; did you mean ${meant}?`]);
  });

  test("an unknown name of our own stops the start, also when nothing is near it", () => {
    expect(problemsOf({ AGENT_EXECUTOR_COLOUR: "red" })).toEqual(["AGENT_EXECUTOR_COLOUR: no such variable"]);
  });

  test("two swapped letters inside a word of a name are found", () => {
    const missed = variables
      .filter(({ name }) => !/_PORT$|_SERVICE_/.test(name)) // any such name may be a service link
      .flatMap(({ name }) => swaps(name))
      .filter((name) => problemsOf({ [name]: "x" }).length === 0);
    expect(missed).toEqual([]);
  });

  test("a Kubernetes service link is ignored with a note", () => {
    const link = "tcp://10.0.0.1:5432";
    const { config, notes } = readConfig({ PG_PORT: link, REDIS_PORT: link, PORT: link, PG_HOST: "db" });
    expect(config.postgres).toMatchObject({ host: "db", port: 5432 });
    expect(config.server.port).toBe(8080);
    expect(notes).toEqual(
      ["PG_PORT", "REDIS_PORT", "PORT"].map(
        (name) => `${name}=${link} is a Kubernetes service link and is ignored`,
      ),
    );
  });

  test("what a Knative pod finds in its environment is taken without a word", () => {
    const { config, notes } = readConfig({ ...knativePod(), VAULT_ADDR: "https://vault.vault.svc:8200" });
    expect(config.profile).toBe("production");
    expect(notes).toEqual(["REDIS_PORT=tcp://10.96.7.7:6379 is a Kubernetes service link and is ignored"]);
  });

  test.each([
    "PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE PGSSLMODE PGDATA PGAPPNAME PG_MAJOR PG_VERSION",
    "DB_HOST DB_PORT DB_USER DB_PASSWORD DB_DATABASE MY_HOST DB_URL VHOST ROOT TEST",
    "HOME HOSTNAME HOSTTYPE PATH PWD OLDPWD LANG LC_ALL TERM SHELL SHLVL USER LOGNAME MAIL TZ EDITOR _",
    "NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS NODE_VERSION npm_config_cache npm_package_name INIT_CWD",
    "CI GITHUB_ACTIONS GITHUB_REF RUNNER_OS GITLAB_CI CI_JOB_ID JENKINS_URL BUILD_ID VITEST TEST_DATABASE_URL",
    "OTEL_EXPORTER_OTLP_HEADERS OTEL_EXPORTER_OTLP_TIMEOUT OTEL_BSP_SCHEDULE_DELAY OTEL_RESOURCE_ATTRIBUTES OTEL_LOG_LEVEL",
    "K_CONFIGURATION K_CA_CERTS K_AUDIENCE K_LOGGING_CONFIG K_METRICS_CONFIG K_TRACING_CONFIG",
    "OPENAI_API_TYPE OPENAI_API_BASE OPENAI_ORG_ID AZURE_OPENAI_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_MODEL",
    "XDG_DATA_DIRS XDG_RUNTIME_DIR AWS_REGION GOOGLE_CLOUD_PROJECT HTTP_PROXY https_proxy NO_PROXY SSL_CERT_DIR",
    "VAULT_TOKEN VAULT_SKIP_VERIFY REDIS_DB NATS_USER DOCKER_HOST COMPOSE_PROJECT_NAME MAIL_HOST SMTP_HOST",
  ])("names that others own are left alone: %s", (names) => {
    expect(readConfig(Object.fromEntries(names.split(" ").map((name) => [name, "x"]))).notes).toEqual([]);
  });

  test("nothing that this machine exports is taken for a slip", () => {
    const ours = new Set(variables.map(({ name }) => name));
    expect(
      problemsOf(Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.has(name)))),
    ).toEqual([]);
  });
});

describe("the environment of the process", () => {
  const before = { ...process.env };
  const folders: string[] = [];
  const folderWith = (dotenv: string) => {
    const folder = mkdtempSync(join(tmpdir(), "config-"));
    folders.push(folder);
    writeFileSync(join(folder, ".env"), dotenv);
    return folder;
  };
  afterEach(() => {
    for (const name of Object.keys(process.env)) if (before[name] === undefined) delete process.env[name];
    Object.assign(process.env, before);
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });
  const leaveProduction = () => {
    for (const name of ["NODE_ENV", "K_SERVICE", "KUBERNETES_SERVICE_HOST"]) delete process.env[name];
  };

  test("a .env file is read, and what is set already wins over it", () => {
    leaveProduction();
    process.env["EVENT_SOURCE"] = "from-outside";

    const env = readEnvironment(folderWith("EVENT_SOURCE=from-file\nK_REVISION=from-file\n"));

    expect(env).toMatchObject({ EVENT_SOURCE: "from-outside", K_REVISION: "from-file" });
  });

  test("a .env file is not read in production, and need not be there", () => {
    process.env["NODE_ENV"] = "production";
    expect(readEnvironment(folderWith("K_REVISION=from-file\n"))["K_REVISION"]).toBeUndefined();
    leaveProduction();
    expect(readEnvironment(join(tmpdir(), "no-such-folder"))["K_REVISION"]).toBeUndefined();
  });

  test("LangChain's tracing is off whatever was exported or written, and a note says so", async () => {
    leaveProduction();
    process.env["LANGSMITH_TRACING_V2"] = "true";

    const env = readEnvironment(folderWith("LANGCHAIN_TRACING=true\n"));

    const { CallbackManager } = await import("@langchain/core/callbacks/manager");
    expect(CallbackManager.configure()).toBeUndefined(); // neither tracer nor printer
    expect(notesOf({ LANGSMITH_TRACING_V2: env["LANGSMITH_TRACING_V2"] })).toMatch(
      /^LANGSMITH_TRACING_V2 is switched off/,
    );
    expect(notesOf({ LANGCHAIN_TRACING: env["LANGCHAIN_TRACING"], TRACING: "true" })).toMatch(
      /^LANGCHAIN_TRACING is/,
    );
    expect(notesOf({ LANGSMITH_TRACING: "false" })).toBe("");
  });
});

/** The name with each two neighbouring letters swapped, the first one of the name aside. */
function swaps(name: string): string[] {
  const all = [...name].map(
    (letter, i) => name.slice(0, i) + name.charAt(i + 1) + letter + name.slice(i + 2),
  );
  return all.filter((swapped, i) => i > 0 && swapped !== name && /^[A-Z]{2}$/.test(swapped.slice(i, i + 2)));
}

function knativePod(): Env {
  const service = (name: string, ip: string, port: number) => ({
    [`${name}_SERVICE_HOST`]: ip,
    [`${name}_SERVICE_PORT`]: String(port),
    [`${name}_SERVICE_PORT_HTTP`]: String(port),
    [`${name}_PORT`]: `tcp://${ip}:${port}`,
    [`${name}_PORT_${port}_TCP`]: `tcp://${ip}:${port}`,
    [`${name}_PORT_${port}_TCP_PROTO`]: "tcp",
    [`${name}_PORT_${port}_TCP_PORT`]: String(port),
    [`${name}_PORT_${port}_TCP_ADDR`]: ip,
  });
  return {
    ...service("KUBERNETES", "10.96.0.1", 443),
    ...service("AGENT_EXECUTOR", "10.96.3.3", 80),
    ...service("AGENT_EXECUTOR_00001_PRIVATE", "10.96.3.4", 8012),
    ...service("REDIS", "10.96.7.7", 6379),
    ...service("PG_RW", "10.96.8.8", 5432),
    K_SERVICE: "agent-executor",
    K_REVISION: "agent-executor-00001",
    K_CONFIGURATION: "agent-executor",
    K_SINK: "http://broker-ingress.knative-eventing.svc.cluster.local/agents/default",
    K_CE_OVERRIDES: "",
    K_CA_CERTS: "-----BEGIN CERTIFICATE-----",
    PORT: "8080",
    NODE_ENV: "production",
    NODE_VERSION: "24.4.0",
    YARN_VERSION: "1.22.22",
    HOSTNAME: "agent-executor-00001-deployment-6d5f7-abcde",
    HOME: "/home/node",
    PATH: "/usr/local/bin:/usr/bin:/bin",
  };
}
