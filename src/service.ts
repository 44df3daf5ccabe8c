import type { FastifyInstance } from "fastify";
import type { Config } from "./config.ts";
import { AgentError } from "./errors/agent-error.ts";
import { buildServer } from "./http/server.ts";
import { Lifetime } from "./lifetime/lifetime.ts";
import { pause } from "./lifetime/pause.ts";
import type { Logger } from "./observability/logger.ts";
import type { Secrets } from "./secrets/secrets.ts";
import { sinkTrust } from "./service/delivery.ts";
import { identifyBy, linksOf } from "./service/identity.ts";
import { readiness, scrape } from "./service/probes.ts";
import { type Connected, connectUntilDone, type ServiceState, type Settings } from "./service/runs.ts";
import { openSecrets } from "./service/secrets.ts";
import { readSettings } from "./service/settings.ts";
import { openStreams } from "./service/streams.ts";
import { openTracing } from "./service/tracing.ts";

export type Service = {
  /** Where it listens. */
  url: string;
  /** Resolves once events are taken; rejects when the service was closed before. */
  ready: Promise<void>;
  close(): Promise<void>;
};

/** How long a request is held while the service connects: a cold start is no reason to send it away. */
const CONNECT_WAIT_MS = 10_000;
/** The first probes come first. */
const WARM_UP_AFTER_MS = 50;

/**
 * Puts the rooms together. The port opens first and connections come after, so that a probe gets an
 * answer at once; until then events are refused with 503, which their sender repeats.
 */
export async function startService(config: Config, log: Logger): Promise<Service> {
  // What a room of its own reads is read now: a start that cannot go well fails at once.
  const lifetime = new Lifetime();
  const settings: Omit<Settings, "streams"> = {
    ...(await readSettings(config)),
    sinkCa: config.sink && (await sinkTrust(config.sink)),
  };
  // Opened first and so closed last: what the others say while they close is exported too.
  lifetime.own(await openTracing(config, log), (tracing) => tracing.close());
  const state: ServiceState = { stopping: false };

  const connected = async (): Promise<Connected> => {
    if (!state.connected && !state.stopping) {
      warmUp(); // someone waits: load while Postgres is connecting, not after
      await Promise.race([ready, pause(CONNECT_WAIT_MS)]);
    }
    if (state.stopping)
      throw new AgentError("shutting_down", "this process is stopping", { retryAfterSeconds: 1 });
    if (state.connected) return state.connected;
    throw new AgentError("not_ready", "still connecting: /ready says to what", { retryAfterSeconds: 1 });
  };
  const server = await buildServer({
    log: log.child({ component: "http" }),
    door: async () => (await connected()).door,
    typePrefix: config.events.typePrefix,
    maxBodyBytes: config.server.maxBodyBytes,
    bodyTimeoutSeconds: config.server.bodyTimeoutSeconds,
    maxInFlight: config.server.maxInFlightRequests,
    jobRequestsPerSecond: config.server.jobRequestsPerSecond,
    readiness: () => readiness(config, state),
    metrics: () => scrape(state.connected?.db),
    readJob: async (id) => (await import("./runs/jobs.ts")).readJob((await connected()).db, id),
    cancelJob: async (request) =>
      (await (await connected()).door.requestCancel(request)).touched !== undefined,
    resumeJob: async (request) => void (await (await connected()).door.requestResume(request)),
    listJobs: async (filter, caller) =>
      (await import("./runs/jobs.ts")).listJobs((await connected()).db, filter, caller),
    readRun: async (jobId, runId) =>
      (await import("./runs/run-details.ts")).readRun((await connected()).db, jobId, runId),
    readDefinition: async (jobId, runId) =>
      (await import("./runs/run-details.ts")).readDefinitionOf((await connected()).db, jobId, runId),
    readTrace: async (jobId) => (await import("./runs/trace.ts")).readTrace((await connected()).db, jobId),
    retryRun: async (request) => await (await connected()).door.retry(request),
    readInterrupt: async (jobId, interruptId) =>
      (await import("./runs/interrupts.ts")).readInterrupt((await connected()).db, jobId, interruptId),
    console: config.server.console,
    ...linksOf(config),
    followJob: async (jobId, after, signal) => {
      const { db, frames } = await connected();
      const { followJob } = await import("./runs/follow.ts");
      return followJob({ db, streams: frames, signal }, jobId, after);
    },
    identify: identifyBy(config.oidc, log),
    requireOwnJob: async (jobId, caller) =>
      (await import("./runs/owner.ts")).requireOwnJob((await connected()).db, jobId, caller),
  });
  const url = await listen(
    lifetime.own(server, (app) => app.close()),
    config,
  );
  sayWhatIsUsed(config, log);

  const ready = loadSecrets(config, log, lifetime, state)
    .then(async (secrets) => {
      const streams = lifetime.own(await openStreams(config, secrets, log), (each) => each.close());
      state.streams = streams;
      const given = { ...settings, streams };
      return await connectUntilDone(config, given, log, lifetime, () => state.stopping, secrets);
    })
    .then((done) => {
      state.connected = done;
      log.info("ready");
      setTimeout(warmUp, WARM_UP_AFTER_MS).unref();
    });
  // Who does not care for `ready` must not die of it; a failure was logged.
  ready.catch(() => undefined);
  return {
    url,
    ready,
    close: async () => {
      state.stopping = true;
      // Runs end while the server still answers those who wait for them.
      await state.connected?.stopRuns();
      if (!state.connected) state.secrets?.giveUp();
      await ready.catch(() => undefined);
      await lifetime.close();
    },
  };
}

/** Tries until Vault has given what is needed, or the process is stopped. */
async function loadSecrets(
  config: Config,
  log: Logger,
  lifetime: Lifetime,
  state: ServiceState,
): Promise<Secrets | undefined> {
  const secrets = await openSecrets(config, log);
  if (secrets === undefined) return undefined;
  state.secrets = lifetime.own(secrets, (each) => each.close());
  if (state.stopping) secrets.giveUp();
  await secrets.load().catch((error: unknown) => {
    if (!state.stopping) throw error;
    throw new AgentError("shutting_down", "stopped before Vault answered");
  });
  return secrets;
}

/** One line for each thing that is chosen by what is configured, with the variable that changes it. */
function sayWhatIsUsed({ profile, postgres, redis, sink, oidc, vault, nats }: Config, log: Logger): void {
  const where =
    postgres.kind === "embedded"
      ? `embedded in ${postgres.dataDir} (PG_HOST or DATABASE_URL names a server)`
      : postgres.kind === "vault"
        ? "the server that Vault names (DATABASE_URL, or PG_HOST and PG_PASSWORD, name another)"
        : `server at ${postgres.host}:${postgres.port}`;
  const results = sink ? `posted to ${sink.url}` : "the HTTP reply (K_SINK names a target)";
  log.info(`profile: ${profile}`);
  log.info(`vault: ${vault ? vault.address : "not used (VAULT_ADDR names one)"}`);
  log.info(`postgres: ${where}`);
  log.info(
    `streams: ${redis ? `Redis at ${redis.host}:${redis.port}` : `${vault ? "the Redis that Vault names, if any" : "in this process"} (REDIS_HOST or REDIS_URL names a server)`}`,
  );
  log.info(`results: ${results}`);
  log.info(`nats: ${nats ? `jobs from stream ${nats.stream} too` : "off (NATS_URL names a server)"}`);
  log.info(`callers: ${oidc ? `with a token of ${oidc.issuer}` : "anyone (OIDC_ISSUER asks for tokens)"}`);
}

/** Loads what the first run needs; a run that comes earlier loads it itself, and says what is wrong. */
function warmUp(): void {
  for (const load of [import("./checkpoints/run-saver.ts"), import("langchain")]) load.catch(() => undefined);
}

async function listen(server: FastifyInstance, config: Config): Promise<string> {
  const { port, host } = config.server;
  try {
    const address = await server.listen({ port, host });
    return address.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]");
  } catch (error) {
    await server.close();
    if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
      throw new Error(`port ${port} is in use: stop what listens there, or set PORT to another one`, {
        cause: error,
      });
    }
    throw error;
  }
}
