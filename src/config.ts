import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import * as Type from "typebox"; // as a namespace, so that the bundle keeps only the builders used here
import { editDistance } from "./errors/near-miss.ts";
import { readDatabaseUrl } from "./postgres/database-url.ts";

type Row = {
  readonly description: string;
  readonly type?: "integer" | "boolean" | "array" | "string";
  readonly default?: string | number | readonly string[];
  /** What holds without the variable, where no constant does. */
  readonly unset?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly format?: "http-url";
  readonly pattern?: string;
  readonly expects?: string;
  /** A secret: its value is never shown. */
  readonly writeOnly?: true;
};
const integer = (initial: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ default: initial, minimum, maximum, description });
const text = (description: string, unset?: string, more: Partial<Row> = {}) =>
  Type.Optional(Type.String({ description, ...(unset && { unset }), ...more }));
const textOr = (initial: string, description: string, more: Partial<Row>) =>
  Type.String({ default: initial, description, ...more });
const secret = (description: string) => text(description, undefined, { writeOnly: true });
const urls = (description: string) => Type.Array(Type.String(), { default: [], description });
const flag = (description: string, unset: string) => Type.Optional(Type.Boolean({ description, unset }));

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
const URL_ONLY = { format: "http-url" } as const;
const ADDRESS = { pattern: "^[\\w.:-]+$", expects: "an IP address or a host name" };
const SQL_NAME = { pattern: "^[a-z_][a-z0-9_]{0,62}$", expects: "a lower-case SQL name" };
const PREFIX = { pattern: "^\\S*[^\\s.]$", expects: "text without spaces that does not end in a dot" };
const NOT_PUBLIC = {
  description: "What tools may reach beside public addresses.",
  pattern: "^(\\[[\\da-fA-F:.]+\\]|[\\w.-]+)(:\\d{1,5})?$|^[\\da-fA-F:.]+(/\\d{1,3})?$",
  expects: "a host, host:port, address or CIDR",
};
const NO_SPACES = { pattern: "^\\S+$", expects: "text without spaces" };

const service = {
  NODE_ENV: text("`production` switches to the production profile; so do Knative and Kubernetes."),
  PORT: integer(8080, 0, 65_535, "Port to listen on; 0 takes a free one."),
  HOST: text("Address to listen on.", "`127.0.0.1`; in production `0.0.0.0`", ADDRESS),
  LOG_LEVEL: Type.Enum(LEVELS, { default: "info", description: "Log lines below this level are dropped." }),
  DATA_DIR: textOr(".data", "Folder of the embedded Postgres.", {}),
  MAX_BODY_BYTES: integer(1_048_576, 65_536, 104_857_600, "Largest request body; above it 413."),
  BODY_TIMEOUT_SECONDS: integer(30, 1, 600, "Time for a request body to arrive; after it 408."),
  MAX_IN_FLIGHT_REQUESTS: integer(512, 1, 100_000, "Requests held open at once; above it 429."),
  SHUTDOWN_GRACE_SECONDS: integer(25, 0, 3600, "Time for running work to end after SIGTERM."),
};
const postgres = {
  DATABASE_URL: secret("`postgres://user:password@host:port/database?sslmode=…`; PG_* replace its parts."),
  PG_HOST: text("Postgres server: host name, address or socket folder.", "embedded; required in production"),
  PG_PORT: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 65_535, description: "Port.", unset: "`5432`" }),
  ),
  PG_USER: text("User to log in as.", "`postgres`"),
  PG_PASSWORD: secret("Password of that user."),
  PG_DATABASE: text("Database to use.", "`postgres`"),
  PG_POOL_SIZE: integer(10, 2, 500, "Connections that one process opens at most."),
  PG_SCHEMA: textOr("agent_executor", "Schema that holds the tables.", SQL_NAME),
};
const results = {
  K_SINK: text(
    "Where result events are posted; a SinkBinding sets it.",
    "the HTTP reply is the result",
    URL_ONLY,
  ),
  K_CE_OVERRIDES: text('Extensions of outgoing events, as Knative injects them: `{"extensions":{…}}`.'),
  K_SINK_TIMEOUT: integer(10, 1, 3600, "Seconds that one POST to the sink may take."),
  SINK_DEADLINE_SECONDS: integer(10, 1, 600, "Time that a caller waits for the sink; after it 503."),
  EVENT_TYPE_PREFIX: textOr("dev.my-platform.agent", "Start of every event type, in and out.", PREFIX),
  EVENT_SOURCE: textOr("agent-executor-service", "`source` of outgoing events.", NO_SPACES),
};
const models = {
  OPENAI_API_KEY: secret("Key for provider `openai`."),
  OPENAI_BASE_URL: text("Server that speaks the OpenAI API.", "the provider's own", URL_ONLY),
  ANTHROPIC_API_KEY: secret("Key for provider `anthropic`."),
  ANTHROPIC_BASE_URL: text("Server that speaks the Anthropic API.", "the provider's own", URL_ONLY),
  MODEL_BASE_URLS: urls("What a definition may name as `base_url`, beside those two."),
  ALLOW_OFFLINE_MODELS: flag("Allows the providers `scripted` and `echo`.", "`true`; in production `false`"),
};
const tools = {
  EGRESS_ALLOW: Type.Array(Type.String(), { default: [], ...NOT_PUBLIC }),
};
const runs = {
  MAX_CONCURRENT_RUNS: integer(32, 1, 10_000, "Runs that one process works on at once."),
  MAX_QUEUED_RUNS: integer(1000, 1, 1_000_000, "Runs that may wait in all; above it 429."),
  MAX_QUEUED_RUNS_PER_JOB: integer(100, 1, 1_000_000, "Runs of one job that may wait; above it 429."),
  RUN_LEASE_SECONDS: integer(30, 3, 3600, "A worker silent for this long loses its run to another."),
  RUN_MAX_ATTEMPTS: integer(5, 1, 1000, "Attempts without progress after which a run fails for good."),
  RUN_MAX_STEPS: integer(1000, 1, 1_000_000, "Most graph steps that a definition may ask for."),
  RUN_MAX_SECONDS: integer(540, 1, 86_400, "Longest running time that it may ask for; below Knative's 600."),
  RUN_MAX_TOKENS: integer(2_000_000, 1, 1_000_000_000, "Most model tokens that it may ask for."),
  RUN_MAX_TOOL_CALLS: integer(1000, 1, 1_000_000, "Most tool calls that it may ask for."),
};
const platform = {
  K_SERVICE: text("Knative service; its presence means production."),
  K_REVISION: text("Knative revision, for the logs."),
  KUBERNETES_SERVICE_HOST: text("Its presence means production."),
};
const groups = { service, postgres, results, models, tools, runs, platform };
const Environment = Type.Object({
  ...{ ...service, ...postgres, ...results },
  ...{ ...models, ...tools, ...runs, ...platform },
});
type Given = Type.Static<typeof Environment>;

/** One row per variable: parsing, `.env.example` and the tables of the documents come from it. */
export type Variable = Row & { readonly name: string; readonly group: string };
export const variables: readonly Variable[] = Object.entries(groups).flatMap(([group, rows]) =>
  // TypeBox's types hide the keywords that its values carry.
  Object.entries(rows).map(([name, row]) => ({ ...(row as unknown as Row), name, group })),
);
const known = new Set(variables.map(({ name }) => name));

/** Names of the contract that nothing reads yet: one that gets its row above is deleted here. */
export const reserved: ReadonlySet<string> = new Set(
  `VAULT_ADDR VAULT_ROLE VAULT_AUTH_MOUNT VAULT_KV_MOUNT VAULT_SECRET_PREFIX VAULT_NAMESPACE VAULT_CACERT
  VAULT_JWT_PATH VAULT_REFRESH_SECONDS REDIS_HOST REDIS_PORT REDIS_PASSWORD REDIS_URL NATS_URL
  NATS_STREAM_NAME NATS_CONSUMER_GROUP NATS_RESULTS_STREAM NATS_MANAGE ACCEPT_RAW_JOBS OIDC_ISSUER
  OIDC_AUDIENCE OIDC_JWKS_URL AGENTS_DIR GRAPH_MODULES MCP_SERVERS RETENTION_DAYS READY_STRICT
  STREAM_MAXLEN STREAM_TTL_SECONDS`.split(/\s+/),
);

/** With any of these LangChain sends prompts and answers to a third party, or prints them. */
const LEAKS = ["TRACING", "TRACING_V2", "VERBOSE"].flatMap((it) => [`LANGSMITH_${it}`, `LANGCHAIN_${it}`]);

type Env = Readonly<Record<string, string | undefined>>;
type Findings = { readonly problems: string[]; readonly notes: string[] };
type DeepReadonly<T> = { readonly [Key in keyof T]: DeepReadonly<T[Key]> };
export type Config = DeepReadonly<ReturnType<typeof arrange>>;

/** Reads `.env` if there is one, silences LangChain's tracing, and returns the variables as they were. */
export function readEnvironment(folder = process.cwd()): Env {
  const file = join(folder, ".env");
  if (!isProduction(process.env) && existsSync(file)) process.loadEnvFile(file); // what is set already stays
  const env = { ...process.env };
  for (const name of LEAKS) process.env[name] = "false";
  delete process.env["LANGCHAIN_TRACING"]; // there "false" counts as set
  return env;
}

/** Throws one error that lists everything that is wrong; `notes` are lines for the log. */
export function readConfig(env: Env): { config: Config; notes: readonly string[] } {
  const found: Findings = { problems: [], notes: [] };
  for (const [name, value = ""] of Object.entries(env)) if (value.trim()) checkName(name, value, found);
  const given = readRows(env, found);
  const config = arrange(given, isProduction(env), found);
  if (found.problems.length > 0) {
    throw new Error(["The configuration is not usable:", ...found.problems].join("\n  "));
  }
  return { config: freeze(config), notes: Object.freeze(found.notes) };
}

function isProduction(env: Env): boolean {
  const orchestrated = Boolean(env["K_SERVICE"] || env["KUBERNETES_SERVICE_HOST"]);
  return orchestrated || env["NODE_ENV"]?.trim() === "production";
}

/** What Kubernetes injects for each Service of the namespace: REDIS_PORT=tcp://10.0.0.1:6379. */
const isLink = (name: string, value: string) => /(^|_)PORT$/.test(name) && /^(tcp|udp|sctp):\/\//.test(value);
const LINK_NAME = /_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$/;
/** Names that may look like a slip of ours and are not: service links, ports, libpq's variables. */
const FOREIGN = new RegExp(`${LINK_NAME.source}|_PORT$|^PG(HOST|PORT|USER|PASSWORD|DATABASE)$`);

/** A name without a row is somebody else's, reserved, or a slip of the pen. */
function checkName(name: string, value: string, { problems, notes }: Findings): void {
  const own = name.startsWith("AGENT_EXECUTOR_") && !LINK_NAME.test(name) && !isLink(name, value);
  if (known.has(name) || reserved.has(name)) {
    if (isLink(name, value)) notes.push(`${name}=${cut(value)} is a Kubernetes service link and is ignored`);
    else if (!known.has(name)) notes.push(`${name} is set but not used by this version`);
  } else if (LEAKS.includes(name)) {
    if (value.trim().toLowerCase() === "true")
      notes.push(`${name} is switched off: prompts and answers stay in this process`);
  } else if (own || !FOREIGN.test(name)) {
    const meant = nearest(name.replace(/^AGENT_EXECUTOR_/, ""));
    if (own || meant) problems.push(`${name}: no such variable${meant ? `; did you mean ${meant}?` : ""}`);
  }
}

/** The variable that a name is a slip of: few letters differ and no word is another (DB_HOST is not PG_HOST). */
function nearest(name: string): string | undefined {
  return [...known].find((meant) => {
    if (meant.length < 6) return name[0] === meant[0] && resembles(name, meant, 1); // VHOST is not HOST
    if (!resembles(name, meant, 2)) return false;
    const [words, parts] = [name.split("_"), meant.split("_")];
    const alike = (part: string, i: number) => resembles(part, words[i] ?? "", Math.floor(part.length / 2));
    return words.length !== parts.length || parts.every(alike);
  });
}

function resembles(a: string, b: string, slips: number): boolean {
  return Math.abs(a.length - b.length) <= slips && editDistance(a, b) <= slips;
}

function readRows(env: Env, { problems }: Findings): Given {
  const values: Record<string, unknown> = {};
  for (const row of variables) {
    const raw = env[row.name] ?? "";
    const value = row.writeOnly ? raw.replace(/[\r\n]+$/, "") : raw.trim();
    const isSet = value.trim() !== "" && !isLink(row.name, value);
    values[row.name] = isSet ? parse(row, value) : row.default;
    if (isSet && values[row.name] === undefined) {
      // A URL with an "@" may hold a password.
      const shown = row.writeOnly || /:.*@/.test(value) ? "the value" : JSON.stringify(cut(value));
      problems.push(`${row.name}: ${shown} is not usable; expected ${accepted(row)}`);
    }
  }
  return values as Given; // each value was parsed by its row, is its default, or is missing where it may be
}

function parse(row: Variable, value: string): unknown {
  const word = value.toLowerCase();
  if (row.enum) return row.enum.includes(word) ? word : undefined;
  if (row.type === "boolean") return word === "true" ? true : word === "false" ? false : undefined;
  if (row.type === "integer") {
    const { minimum = -Infinity, maximum = Infinity } = row;
    return /^-?\d+$/.test(value) && +value >= minimum && +value <= maximum ? +value : undefined;
  }
  const items = value.split(",").map((item) => item.trim());
  const fits = (text: string) => new RegExp(row.pattern ?? "").test(text);
  if (row.type === "array") return items.every(row.pattern ? fits : isHttpUrl) ? items : undefined;
  if (row.format && !isHttpUrl(value)) return undefined;
  return fits(value) ? value : undefined;
}

/** In words what `parse` takes; for messages and documents. */
export function accepted(row: Variable): string {
  const url = "absolute http or https URL, without user and password";
  if (row.enum) return `one of ${row.enum.join(", ")}`;
  if (row.type === "boolean") return "true or false";
  if (row.type === "integer") return `a whole number from ${row.minimum} to ${row.maximum}`;
  if (row.type === "array") return `a comma-separated list, each ${row.expects ?? `an ${url}`}`;
  return row.format ? `an ${url}` : (row.expects ?? "text");
}

function isHttpUrl(value: string): boolean {
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return false;
  const { username, password } = new URL(value);
  return username === "" && password === "";
}

const cut = (value: string) => (value.length > 60 ? `${value.slice(0, 59)}…` : value);

function arrange(given: Given, production: boolean, found: Findings) {
  const { K_SINK: url, K_SINK_TIMEOUT: timeoutSeconds, SINK_DEADLINE_SECONDS: deadlineSeconds } = given;
  return {
    profile: production ? ("production" as const) : ("development" as const),
    platform: { service: given.K_SERVICE, revision: given.K_REVISION },
    logLevel: given.LOG_LEVEL,
    shutdownGraceSeconds: given.SHUTDOWN_GRACE_SECONDS,
    server: {
      port: given.PORT,
      host: given.HOST ?? (production ? "0.0.0.0" : "127.0.0.1"),
      maxBodyBytes: given.MAX_BODY_BYTES,
      bodyTimeoutSeconds: given.BODY_TIMEOUT_SECONDS,
      maxInFlightRequests: given.MAX_IN_FLIGHT_REQUESTS,
    },
    postgres: choosePostgres(given, production, found),
    sink: url === undefined ? undefined : { url, timeoutSeconds, deadlineSeconds },
    events: {
      typePrefix: given.EVENT_TYPE_PREFIX,
      source: given.EVENT_SOURCE,
      ceOverrides: given.K_CE_OVERRIDES, // as text: the events room reads it
    },
    models: {
      openai: { apiKey: given.OPENAI_API_KEY, baseUrl: given.OPENAI_BASE_URL },
      anthropic: { apiKey: given.ANTHROPIC_API_KEY, baseUrl: given.ANTHROPIC_BASE_URL },
      baseUrls: given.MODEL_BASE_URLS,
      allowOffline: given.ALLOW_OFFLINE_MODELS ?? !production,
    },
    tools: { egressAllow: given.EGRESS_ALLOW }, // as texts: the agents room reads them
    runs: {
      maxConcurrent: given.MAX_CONCURRENT_RUNS,
      maxQueued: given.MAX_QUEUED_RUNS,
      maxQueuedPerJob: given.MAX_QUEUED_RUNS_PER_JOB,
      leaseSeconds: given.RUN_LEASE_SECONDS,
      maxAttempts: given.RUN_MAX_ATTEMPTS,
      maxLimits: {
        steps: given.RUN_MAX_STEPS,
        seconds: given.RUN_MAX_SECONDS,
        tokens: given.RUN_MAX_TOKENS,
        tool_calls: given.RUN_MAX_TOOL_CALLS,
      },
    },
  };
}

const PG_PARTS = ["PG_HOST", "PG_PORT", "PG_USER", "PG_PASSWORD", "PG_DATABASE"] as const;

function choosePostgres(given: Given, production: boolean, { problems, notes }: Findings) {
  const { DATABASE_URL, PG_HOST, PG_SCHEMA: schema } = given;
  const parts = PG_PARTS.filter((name) => given[name] !== undefined).join(", ");
  if (PG_HOST === undefined && DATABASE_URL === undefined) {
    if (production) problems.push("PG_HOST or DATABASE_URL: missing; production needs a Postgres server");
    else if (parts !== "") problems.push(`PG_HOST: missing, while ${parts} is set; expected a host name`);
    return { kind: "embedded" as const, dataDir: given.DATA_DIR, schema };
  }
  if (DATABASE_URL !== undefined && parts !== "") notes.push(`${parts} replaces its part of DATABASE_URL`);
  const url = readDatabaseUrl(DATABASE_URL ?? "postgres:", { problems, notes });
  return {
    kind: "server" as const,
    host: PG_HOST ?? (url.host || "127.0.0.1"),
    port: given.PG_PORT ?? (Number(url.port) || 5432),
    user: given.PG_USER ?? (url.user || "postgres"),
    password: given.PG_PASSWORD ?? (url.password || undefined),
    database: given.PG_DATABASE ?? (url.database || "postgres"),
    ssl: url.ssl,
    poolSize: given.PG_POOL_SIZE,
    schema,
  };
}

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(Object.freeze(value))) freeze(inner);
  }
  return value;
}
