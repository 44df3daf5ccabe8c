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

const ACKS = ["outcome", "stored"] as const;
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
const MOUNT = { pattern: "^[\\w.-]+(/[\\w.-]+)*$", expects: "a path without slashes at its ends" };
const LOG_LEVELS = ["off", "standard", "verbose"] as const;
const LOG_LEVEL_OF = {
  pattern: "^(run|decision|result|job)(\\.[a-z_]+)?=([oO][fF]{2}|standard|STANDARD|verbose|VERBOSE)$",
  expects: "`type=level`, the type as in docs/operations.md or what stands before its dot",
};
const NO_SPACES = { pattern: "^\\S+$", expects: "text without spaces" };

const NATS_NAME = { pattern: "^[\\w-]{1,64}$", expects: "letters, digits, - and _" };

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
const redis = {
  REDIS_HOST: text("Redis server for live streams.", "in the process; required in production", ADDRESS),
  REDIS_PORT: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 65_535, description: "Port.", unset: "`6379`" }),
  ),
  REDIS_PASSWORD: secret("Password of that server."),
  REDIS_URL: secret("`redis://user:password@host:port/0`, `rediss://` for TLS; REDIS_* replace its parts."),
  REDIS_CACERT: text("PEM file of the authority behind its certificate.", "the usual ones"),
  STREAM_MAXLEN: integer(10_000, 100, 1_000_000, "Frames of a job that are kept for readers who come back."),
  STREAM_TTL_SECONDS: integer(3600, 60, 604_800, "How long they are kept after the last one."),
  READY_STRICT: flag("Takes the pod away while Redis is down.", "`false`"),
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
const agents = {
  AGENTS_DIR: text("Folder of definitions that events may name by `agent`.", "no agent has a name"),
  GRAPH_MODULES: text(
    "Graphs of your own that definitions may name: `name=path,…` of modules, or a JSON file that maps names to paths.",
  ),
};
const tools = {
  EGRESS_ALLOW: Type.Array(Type.String(), { default: [], ...NOT_PUBLIC }),
  MCP_SERVERS: text("JSON file of MCP servers: name → URL, or `{command, args}`.", "none"),
  TOOL_MODULES: list("Modules that tools of type `module` may name: `name=/path/to/module.mjs`.", {
    pattern: "^[\\w-]{1,64}=\\S+$",
    expects: "name=path",
  }),
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
const vault = {
  VAULT_ADDR: text("Vault server that holds the secrets.", "no Vault: variables hold them", URL_ONLY),
  VAULT_ROLE: textOr("agent-executor", "Role to log in as, with the service account's token.", NO_SPACES),
  VAULT_JWT_PATH: textOr(
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
    "File of the service account's token; read again at every login.",
    {},
  ),
  VAULT_AUTH_MOUNT: textOr("kubernetes", "Mount of the Kubernetes auth method.", MOUNT),
  VAULT_KV_MOUNT: textOr("secret", "Mount of the KV engine, version 2.", MOUNT),
  VAULT_SECRET_PREFIX: textOr("agent-executor", "Path below which the secrets lie.", MOUNT),
  VAULT_NAMESPACE: text("Namespace of Vault Enterprise.", undefined, NO_SPACES),
  VAULT_CACERT: text("PEM file of the authority behind Vault's certificate.", "the usual ones"),
  VAULT_REFRESH_SECONDS: integer(300, 1, 86_400, "How often secrets are read again."),
  VAULT_DATABASE_ROLE: text(
    "Role of the database engine that makes the user for Postgres.",
    "the KV secret",
    MOUNT,
  ),
  VAULT_DATABASE_MOUNT: textOr("database", "Mount of that engine.", MOUNT),
};
const nats = {
  NATS_URL: secret("`nats://host:4222` or `tls://…`; with user and password, or a token, before an `@`."),
  NATS_CREDS_FILE: text("File with the credentials (JWT and key) for NATS."),
  NATS_CA_FILE: text(
    "PEM file of the authority behind NATS' certificate; it switches TLS on.",
    "the usual ones",
  ),
  NATS_STREAM_NAME: textOr("AGENT_EXECUTION", "Stream that jobs come from.", NATS_NAME),
  NATS_CONSUMER_GROUP: textOr("agent-executor-workers", "Durable consumer that all pods share.", NATS_NAME),
  NATS_RESULTS_STREAM: textOr("AGENT_RESULTS", "Stream that results go to.", NATS_NAME),
  NATS_MANAGE: flag("Makes missing streams and consumers; `false` only looks for them.", "`true`"),
  NATS_REPLICAS: integer(1, 1, 5, "Copies of the streams that are made; 3 on a cluster of NATS servers."),
  NATS_ACK: Type.Enum(ACKS, { default: "outcome", description: "When a message is acknowledged." }),
  NATS_ACK_WAIT_SECONDS: integer(30, 1, 3600, "Silence after which a message goes to another pod."),
  NATS_MAX_DELIVER: integer(1000, 2, 1_000_000, "Deliveries after which a message is given up."),
  ACCEPT_RAW_JOBS: flag("Takes messages that hold the job alone, without an event around it.", "`false`"),
};
const retention = {
  RETENTION_DAYS: integer(7, 1, 3650, "Days that a finished job, and the knowledge of its events, is kept."),
  EVENT_LOG_LEVEL: Type.Enum(LOG_LEVELS, { default: "standard", description: "What the event log keeps." }),
  EVENT_LOG_LEVELS: list("Other levels for some types: `result=off,run.settled=verbose`.", LOG_LEVEL_OF),
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
  agents,
  tools,
  runs,
  NATS: nats,
  retention,
  vault,
  redis,
  telemetry,
  callers,
  platform,
};
const Environment = Type.Object({
  ...service,
  ...postgres,
  ...redis,
  ...results,
  ...models,
  ...agents,
  ...tools,
  ...runs,
  ...nats,
  ...retention,
  ...vault,
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
