import process from "node:process";
import { describe, expect, test } from "vitest";
import { variables } from "../../src/config/variables.ts";
import { readConfig } from "../../src/config.ts";
import { type Env, problemsOf } from "./support.ts";

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
