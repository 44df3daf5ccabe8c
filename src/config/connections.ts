import * as Type from "typebox";
import {
  ACKS,
  ADDRESS,
  flag,
  integer,
  list,
  MOUNT,
  NATS_NAME,
  NO_SPACES,
  PREFIX,
  SQL_NAME,
  SUBJECT,
  secret,
  text,
  textOr,
  URL_ONLY,
} from "./rows.ts";

/** What stands around the service: its databases, its secrets, its doors and where results go. */
export const postgres = {
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

export const redis = {
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

export const results = {
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

export const callers = {
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

export const vault = {
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

export const nats = {
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
