import * as Type from "typebox";
import { callers, nats, postgres, redis, results, vault } from "./connections.ts";
import {
  ADDRESS,
  flag,
  integer,
  LEVELS,
  LOG_LEVEL_OF,
  LOG_LEVELS,
  list,
  NO_SPACES,
  NOT_PUBLIC,
  type Row,
  secret,
  text,
  textOr,
  URL_ONLY,
  urls,
} from "./rows.ts";

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
