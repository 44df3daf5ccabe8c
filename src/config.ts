import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Env, Findings } from "./config/findings.ts";
import { chooseModels } from "./config/models.ts";
import { checkName, LEAKS } from "./config/names.ts";
import { chooseNats } from "./config/nats.ts";
import { chooseOidc } from "./config/oidc.ts";
import { choosePostgres } from "./config/postgres.ts";
import { chooseRedis } from "./config/redis.ts";
import { chooseTracing } from "./config/tracing.ts";
import { readRows } from "./config/values.ts";
import { type Given, variables } from "./config/variables.ts";
import { chooseVault } from "./config/vault.ts";

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
      jobRequestsPerSecond: given.JOBS_RATE_LIMIT,
      console: given.CONSOLE ?? !production,
      links: chooseLinks(given, found),
    },
    postgres: choosePostgres(given, production, found),
    vault: chooseVault(given),
    redis: chooseRedis(given, production, found),
    streams: { maxLength: given.STREAM_MAXLEN, ttlSeconds: given.STREAM_TTL_SECONDS },
    models: chooseModels(given, production, found),
    redisCaFile: given.REDIS_CACERT,
    readyStrict: given.READY_STRICT ?? false,
    sink:
      url === undefined
        ? undefined
        : {
            url,
            timeoutSeconds,
            deadlineSeconds,
            caCerts: given.K_CA_CERTS, // as text: the delivery room reads it
            tokenFile: given.SINK_TOKEN_FILE,
          },
    oidc: chooseOidc(given, production, found),
    nats: chooseNats(given, found),
    events: {
      typePrefix: given.EVENT_TYPE_PREFIX,
      source: given.EVENT_SOURCE,
      ceOverrides: given.K_CE_OVERRIDES, // as text: the events room reads it
    },
    // As texts: the agents room reads them.
    tools: {
      egressAllow: given.EGRESS_ALLOW,
      mcpServers: given.MCP_SERVERS,
      modules: given.TOOL_MODULES,
    },
    agents: { dir: given.AGENTS_DIR, graphModules: given.GRAPH_MODULES }, // as texts: the agents room reads them
    tracing: chooseTracing(given, found),
    retentionDays: given.RETENTION_DAYS,
    eventLog: eventLogLevels(given),
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

/** As the database reads them; undefined where all is as usual. What was not usable is missing here. */
function eventLogLevels(given: Partial<Given>): string | undefined {
  const { EVENT_LOG_LEVEL: all = "standard", EVENT_LOG_LEVELS: some = [] } = given;
  if (all === "standard" && some.length === 0) return undefined;
  return [...some.map((each) => `;${each.toLowerCase()}`), `;=${all}`].join("");
}

/** Both or neither. */
function chooseLinks({ PUBLIC_URL: publicUrl, APPROVAL_LINK_SECRET: secret }: Given, { problems }: Findings) {
  if (publicUrl === undefined && secret === undefined) return undefined;
  if (publicUrl === undefined || secret === undefined) {
    const missing = secret === undefined ? "APPROVAL_LINK_SECRET" : "PUBLIC_URL";
    problems.push(`${missing}: missing; links to questions need PUBLIC_URL and APPROVAL_LINK_SECRET`);
    return undefined;
  }
  if (secret.length < 32) problems.push("APPROVAL_LINK_SECRET: too short; 32 characters or more are needed");
  return { publicUrl, secret };
}

/** Every secret that stands in the environment, so that no log and no event shows it. */
export function secretsIn(env: Env): string[] {
  const given = variables.flatMap(({ name, writeOnly }) => (writeOnly && env[name]) || []);
  const urls = given.filter((text) => URL.canParse(text)).map((text) => new URL(text).password);
  return [...given, ...urls, ...urls.map(decoded)];
}

/** A password that is no UTF-8 must not end the start. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(Object.freeze(value))) freeze(inner);
  }
  return value;
}
