import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import process from "node:process";
import type { FastifyInstance } from "fastify";
import { type EgressAllow, readEgressAllow } from "./agents/egress-allow.ts";
import type { Config } from "./config.ts";
import { AgentError } from "./errors/agent-error.ts";
import { readOverrides } from "./events/outgoing.ts";
import type { Readiness } from "./http/health.ts";
import { buildServer } from "./http/server.ts";
import { Lifetime } from "./lifetime/lifetime.ts";
import { pause } from "./lifetime/pause.ts";
import type { Logger } from "./observability/logger.ts";
import type { Database } from "./postgres/database.ts";
import type { Door } from "./runs/door.ts";

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

type Settings = { overrides: ReadonlyMap<string, string>; egressAllow: EgressAllow };

/** What there is once Postgres has answered. */
type Connected = { db: Database; door: Door; stopRuns: () => Promise<void> };

/**
 * Puts the rooms together. The port opens first and connections come after, so that a probe gets an
 * answer at once; until then events are refused with 503, which their sender repeats.
 */
export async function startService(config: Config, log: Logger): Promise<Service> {
  // What a room of its own reads is read now: a start that cannot go well fails at once.
  const settings: Settings = {
    overrides: readOverrides(config.events.ceOverrides),
    egressAllow: readEgressAllow(config.tools.egressAllow),
  };
  const lifetime = new Lifetime();
  const state: { connected?: Connected; stopping: boolean } = { stopping: false };

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
    log,
    door: async () => (await connected()).door,
    typePrefix: config.events.typePrefix,
    maxBodyBytes: config.server.maxBodyBytes,
    bodyTimeoutSeconds: config.server.bodyTimeoutSeconds,
    maxInFlight: config.server.maxInFlightRequests,
    readiness: () => readiness(config, state.stopping ? undefined : state.connected?.db),
    metrics: () => scrape(state.connected?.db),
    readJob: async (id) => (await import("./runs/jobs.ts")).readJob((await connected()).db, id),
    cancelJob: async (request) =>
      (await (await connected()).door.requestCancel(request)).touched !== undefined,
    listJobs: async (filter) => (await import("./runs/jobs.ts")).listJobs((await connected()).db, filter),
  });
  const url = await listen(
    lifetime.own(server, (app) => app.close()),
    config,
  );
  sayWhatIsUsed(config, log);

  const ready = connectUntilDone(config, settings, log, lifetime, () => state.stopping).then((done) => {
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
      await ready.catch(() => undefined);
      await lifetime.close();
    },
  };
}

/** One line for each thing that is chosen by what is configured, with the variable that changes it. */
function sayWhatIsUsed({ profile, postgres, sink }: Config, log: Logger): void {
  const where =
    postgres.kind === "embedded"
      ? `embedded in ${postgres.dataDir} (PG_HOST or DATABASE_URL names a server)`
      : `server at ${postgres.host}:${postgres.port}`;
  const results = sink ? `posted to ${sink.url}` : "the HTTP reply (K_SINK names a target)";
  log.info(`profile: ${profile}`);
  log.info(`postgres: ${where}`);
  log.info(`results: ${results}`);
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

/** Tries until Postgres is there: a pod that starts before its database must not crash in a loop. */
async function connectUntilDone(
  config: Config,
  settings: Settings,
  log: Logger,
  lifetime: Lifetime,
  stopping: () => boolean,
): Promise<Connected> {
  const db = lifetime.own(await openDatabase(config, log), (database) => database.close());
  const { migrate } = await import("./postgres/migrate.ts");
  const { setUpCheckpoints } = await import("./checkpoints/set-up.ts");
  for (let tries = 0; !stopping(); tries++) {
    try {
      await migrate(db, [(tx) => setUpCheckpoints(tx, db.schema)]);
      return await openRuns(config, settings, db, log, lifetime);
    } catch (error) {
      const { databaseMetrics } = await import("./observability/metrics.ts");
      databaseMetrics.connectionFailed();
      log.error({ err: error, component: "postgres" }, "cannot set up the database yet");
      await pause(Math.min(250 * 2 ** tries, 5000));
    }
  }
  throw new AgentError("shutting_down", "stopped before Postgres answered");
}

/** Postgres as configured: embedded, or a server. */
export async function openDatabase(config: Config, log: Logger): Promise<Database> {
  const { postgres, runs } = config;
  if (postgres.kind === "embedded") {
    const { openEmbedded } = await import("./postgres/embedded.ts");
    return await openEmbedded({ directory: postgres.dataDir, schema: postgres.schema });
  }
  const { openServer } = await import("./postgres/server.ts");
  const { databaseMetrics } = await import("./observability/metrics.ts");
  return openServer({
    ...postgres,
    lockHoldMs: Math.floor((runs.leaseSeconds * 1000) / 3),
    onConnectionError: (error) => {
      databaseMetrics.connectionFailed();
      log.warn({ err: error, component: "postgres" }, "a connection broke");
    },
  });
}

async function openRuns(
  config: Config,
  settings: Settings,
  db: Database,
  log: Logger,
  lifetime: Lifetime,
): Promise<Connected> {
  const { Acceptor } = await import("./runs/accept.ts");
  const { Door } = await import("./runs/door.ts");
  const { Waiters } = await import("./runs/waiters.ts");
  const { Worker } = await import("./runs/worker.ts");
  const { Agents } = await import("./agents/compile.ts");
  const { runs, events, sink, models } = config;
  const name = `${hostname()}:${process.pid}:${randomBytes(3).toString("hex")}`;
  const waiters = new Waiters();
  const deliverer = sink && lifetime.own(await openDeliverer(sink, db, log), (each) => each.stop());
  const sender = {
    prefix: events.typePrefix,
    source: events.source,
    overrides: settings.overrides,
    targets: deliverer ? ["sink"] : [],
    firstAttemptSeconds: 2 * (sink?.timeoutSeconds ?? 0),
  };
  const worker = new Worker({
    db,
    agents: new Agents({
      egress: { allow: settings.egressAllow },
      settings: () => ({
        providers: { openai: models.openai, anthropic: models.anthropic },
        allowedBaseUrls: models.baseUrls,
        offlineModels: models.allowOffline,
      }),
    }),
    maxLimits: runs.maxLimits,
    name,
    leaseSeconds: runs.leaseSeconds,
    maxConcurrent: runs.maxConcurrent,
    maxAttempts: runs.maxAttempts,
    sender,
    waiters,
    deliver: (settled) => deliverer?.deliverSettled(settled),
    log: log.child({ component: "runs" }),
  });
  const acceptor = new Acceptor({
    worker: name,
    leaseSeconds: runs.leaseSeconds,
    maxQueued: runs.maxQueued,
    maxQueuedOfJob: runs.maxQueuedPerJob,
  });
  const sinkDeadlineMs = (sink?.deadlineSeconds ?? 0) * 1000;
  const door = new Door({ db, acceptor, worker, waiters, sender, deliverer, sinkDeadlineMs });
  const stopRuns = async () => {
    await worker.stop(config.shutdownGraceSeconds * 1000);
    door.stopWaiting();
  };
  return { db, door, stopRuns };
}

async function openDeliverer(sink: NonNullable<Config["sink"]>, db: Database, log: Logger) {
  const { Deliverer } = await import("./delivery/deliverer.ts");
  const { postTo } = await import("./delivery/post.ts");
  return new Deliverer({
    db,
    target: "sink",
    poster: postTo(new URL(sink.url), sink.timeoutSeconds),
    attemptSeconds: sink.timeoutSeconds,
    report: (what, error) => log.warn({ err: error, component: "delivery" }, `${what} failed`),
  });
}

/** Vault and Redis are not used by this version: true, and named, so that probes can be written today. */
async function readiness(config: Config, db: Database | undefined): Promise<Readiness> {
  const postgres = db !== undefined && (await answers(db));
  const embedded = ["vault", "redis", ...(config.postgres.kind === "embedded" ? ["postgres"] : [])];
  return { ready: postgres, services: { vault: true, postgres, redis: true }, embedded };
}

/** The figures of the outbox are those of the database; when it is away they stay as they were. */
async function scrape(db: Database | undefined): Promise<string> {
  const { outboxMetrics, registry } = await import("./observability/metrics.ts");
  if (db !== undefined) {
    const { outboxFigures } = await import("./delivery/outbox.ts");
    const look = outboxFigures(db).then(outboxMetrics.looked, () => undefined);
    await Promise.race([look, pause(PROBE_MS)]);
  }
  return await registry.metrics();
}

const PROBE_MS = 1000;

const lastAsked = new WeakMap<Database, { at: number; answer: Promise<boolean> }>();

async function answers(db: Database): Promise<boolean> {
  const last = lastAsked.get(db);
  // One question at a time, or in an outage they would fill the pool; but one that stays open says
  // nothing about now.
  const isFresh = last !== undefined && performance.now() - last.at < 2 * PROBE_MS;
  const { answer } = isFresh ? last : ask(db);
  return await Promise.race([answer, pause(PROBE_MS).then(() => false)]);
}

function ask(db: Database): { answer: Promise<boolean> } {
  const answer = db.query("probe", "select 1").then(
    () => true,
    () => false,
  );
  const asked = { at: performance.now(), answer };
  lastAsked.set(db, asked);
  const forget = () => lastAsked.get(db) === asked && lastAsked.delete(db);
  void answer.finally(forget);
  return asked;
}
