import * as Type from "typebox"; // as a namespace, so that the bundle keeps only the builders used here

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
const list = (description: string, each: Partial<Row>) =>
  Type.Array(Type.String(), { default: [], description, ...each });
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
const SUBJECT = { pattern: "^[^\\x00-\\x1f]+$", expects: "the `sub` of a token" };
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
  CONSOLE: flag("Serves the page at /console.", "`true`; in production `false`"),
  PUBLIC_URL: text("Where people reach this service; needed for links to questions.", undefined, URL_ONLY),
  APPROVAL_LINK_SECRET: secret("Key of those links, 32 characters or more, the same in all processes."),
  JOBS_RATE_LIMIT: integer(100, 0, 100_000, "Requests to /jobs a second and caller; above it 429, 0 = any."),
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
  K_CA_CERTS: text("Certificates, as PEM text, that TLS to the sink trusts beside the usual ones."),
  SINK_TOKEN_FILE: text(
    "File with the bearer token for the sink, read again when it changes.",
    "`/oidc/token`, where a SinkBinding puts it, if it is there",
  ),
  EVENT_TYPE_PREFIX: textOr("dev.my-platform.agent", "Start of every event type, in and out.", PREFIX),
  EVENT_SOURCE: textOr("agent-executor-service", "`source` of outgoing events.", NO_SPACES),
};
const callers = {
  OIDC_ISSUER: text(
    "Issuer of the bearer tokens that callers must carry.",
    "callers are not checked",
    URL_ONLY,
  ),
  OIDC_AUDIENCE: text("`aud` that a token must have; needed with `OIDC_ISSUER`."),
  OIDC_JWKS_URL: text("Where the issuer's keys are.", "found by the issuer's discovery document", URL_ONLY),
  OIDC_SUBJECTS: list("Subjects that may use the service; without any, all with a token.", SUBJECT),
  OIDC_OPERATORS: list("Subjects that may see and touch every job.", SUBJECT),
  OIDC_CACERT: text("PEM file of the authority behind the issuer's certificate.", "the usual ones"),
  OIDC_TOKEN_FILE: text("File with a bearer token to fetch the issuer's keys with, as Kubernetes may want."),
};
const models = {
  OPENAI_API_KEY: secret("Key for provider `openai`."),
  OPENAI_BASE_URL: text("Server that speaks the OpenAI API.", "the provider's own", URL_ONLY),
  ANTHROPIC_API_KEY: secret("Key for provider `anthropic`."),
  ANTHROPIC_BASE_URL: text("Server that speaks the Anthropic API.", "the provider's own", URL_ONLY),
  MODEL_BASE_URLS: urls("What a definition may name as `base_url`, beside those two."),
  MODEL_MAX_CONCURRENT: integer(
    128,
    1,
    100_000,
    "Requests under way at once to one provider's server: of this process; with Redis, of all.",
  ),
  MODEL_PRICES: text("JSON file with what models cost, for `usage.cost_usd`.", "no cost is counted"),
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
const retention = {
  RETENTION_DAYS: integer(7, 1, 3650, "Days that a finished job, and the knowledge of its events, is kept."),
};
const telemetry = {
  OTEL_EXPORTER_OTLP_ENDPOINT: text(
    "Collector that takes spans by OTLP over HTTP; `/v1/traces` is added.",
    "no spans are made",
    URL_ONLY,
  ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: text("The same, taken as it is.", "the one above", URL_ONLY),
  OTEL_SERVICE_NAME: textOr("agent-executor", "`service.name` of the spans.", NO_SPACES),
  OTEL_EXPORTER_OTLP_PROTOCOL: text(
    "`http/protobuf`; with another one no spans are made, and a line says so.",
  ),
  OTEL_SDK_DISABLED: Type.Boolean({ default: false, description: "`true`: no spans, whatever else is set." }),
};
const platform = {
  K_SERVICE: text("Knative service; its presence means production."),
  K_REVISION: text("Knative revision, for the logs."),
  KUBERNETES_SERVICE_HOST: text("Its presence means production."),
};
const groups = {
  service,
  postgres,
  results,
  models,
  tools,
  runs,
  retention,
  telemetry,
  callers,
  platform,
};
const Environment = Type.Object({
  ...service,
  ...postgres,
  ...results,
  ...models,
  ...tools,
  ...runs,
  ...retention,
  ...telemetry,
  ...callers,
  ...platform,
});
/** What the environment says, parsed. */
export type Given = Type.Static<typeof Environment>;

/** One row per variable: parsing, `.env.example` and the tables of the documents come from it. */
export type Variable = Row & { readonly name: string; readonly group: string };
export const variables: readonly Variable[] = Object.entries(groups).flatMap(([group, rows]) =>
  // TypeBox's types hide the keywords that its values carry.
  Object.entries(rows).map(([name, row]) => ({ ...(row as unknown as Row), name, group })),
);

/** Names of the contract that nothing reads yet: one that gets its row above is deleted here. */
export const reserved: ReadonlySet<string> = new Set(
  `VAULT_ADDR VAULT_ROLE VAULT_AUTH_MOUNT VAULT_KV_MOUNT VAULT_SECRET_PREFIX VAULT_NAMESPACE VAULT_CACERT
  VAULT_JWT_PATH VAULT_REFRESH_SECONDS REDIS_HOST REDIS_PORT REDIS_PASSWORD REDIS_URL NATS_URL
  NATS_STREAM_NAME NATS_CONSUMER_GROUP NATS_RESULTS_STREAM NATS_MANAGE ACCEPT_RAW_JOBS AGENTS_DIR GRAPH_MODULES MCP_SERVERS READY_STRICT
  STREAM_MAXLEN STREAM_TTL_SECONDS`.split(/\s+/),
);
