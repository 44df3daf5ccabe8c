import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import process from "node:process";
import type { EgressAllow } from "../agents/egress-allow.ts";
import type { Config } from "../config.ts";
import { AgentError } from "../errors/agent-error.ts";
import type { Lifetime } from "../lifetime/lifetime.ts";
import { pause } from "../lifetime/pause.ts";
import { Poller } from "../lifetime/poller.ts";
import type { Logger } from "../observability/logger.ts";
import type { Price } from "../observability/prices.ts";
import { inSpan, ROOT_CONTEXT } from "../observability/spans.ts";
import type { Database } from "../postgres/database.ts";
import type { Door } from "../runs/door.ts";
import { openDatabase } from "./database.ts";
import { openDeliverer } from "./delivery.ts";

/** What rooms of their own read from the configuration, read at the start. */
export type Settings = {
  overrides: ReadonlyMap<string, string>;
  egressAllow: EgressAllow;
  sinkCa: readonly string[] | undefined;
  prices: ReadonlyMap<string, Price> | undefined;
};

/** What there is once Postgres has answered. */
export type Connected = { db: Database; door: Door; stopRuns: () => Promise<void> };

/** Tries until Postgres is there: a pod that starts before its database must not crash in a loop. */
export async function connectUntilDone(
  config: Config,
  settings: Settings,
  log: Logger,
  lifetime: Lifetime,
  stopping: () => boolean,
): Promise<Connected> {
  const db = lifetime.own(await openDatabase(config, log), (database) => database.close());
  const { migrate } = await import("../postgres/migrate.ts");
  const { setUpCheckpoints } = await import("../checkpoints/set-up.ts");
  for (let tries = 0; !stopping(); tries++) {
    try {
      const attributes = { "db.system.name": "postgresql", "agent_executor.tries": tries + 1 };
      await inSpan("connect postgresql", { attributes, parent: ROOT_CONTEXT }, () =>
        migrate(db, [(tx) => setUpCheckpoints(tx, db.schema)]),
      );
      return await openRuns(config, settings, db, log, lifetime);
    } catch (error) {
      const { databaseMetrics } = await import("../observability/metrics.ts");
      databaseMetrics.connectionFailed();
      log.error({ err: error, component: "postgres" }, "cannot set up the database yet");
      await pause(Math.min(250 * 2 ** tries, 5000));
    }
  }
  throw new AgentError("shutting_down", "stopped before Postgres answered");
}

async function openRuns(
  config: Config,
  settings: Settings,
  db: Database,
  log: Logger,
  lifetime: Lifetime,
): Promise<Connected> {
  const { Acceptor } = await import("../runs/accept.ts");
  const { Door } = await import("../runs/door.ts");
  const { Waiters } = await import("../runs/waiters.ts");
  const { Worker } = await import("../runs/worker.ts");
  const { Agents } = await import("../agents/compile.ts");
  const { openModelGate } = await import("./model-gate.ts");
  const { graphMetrics, modelMetrics } = await import("../observability/metrics.ts");
  const { runs, events, sink, models } = config;
  const gate = openModelGate(models.maxConcurrent, undefined, log);
  const name = `${hostname()}:${process.pid}:${randomBytes(3).toString("hex")}`;
  const waiters = new Waiters();
  const deliverer =
    sink && lifetime.own(await openDeliverer(sink, settings.sinkCa, db, log), (each) => each.stop());
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
      onCache: graphMetrics.looked,
      settings: () => ({
        providers: { openai: models.openai, anthropic: models.anthropic },
        allowedBaseUrls: models.baseUrls,
        offlineModels: models.allowOffline,
        gate,
        watch: modelMetrics,
      }),
    }),
    maxLimits: runs.maxLimits,
    prices: settings.prices,
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
  const doorLog = log.child({ component: "door" });
  const door = new Door({ db, acceptor, worker, waiters, sender, deliverer, sinkDeadlineMs, log: doorLog });
  lifetime.own(await openRetention(config, db, log), (each) => each.stop());
  const stopRuns = async () => {
    await worker.stop(config.shutdownGraceSeconds * 1000);
    door.stopWaiting();
  };
  return { db, door, stopRuns };
}

/** Every process looks now and then; whoever comes second finds the rows locked or gone. */
async function openRetention({ retentionDays: days }: Config, db: Database, log: Logger): Promise<Poller> {
  const { deleteExpired } = await import("../runs/retention.ts");
  const look = async () => {
    const jobs = await deleteExpired({ db, days });
    if (jobs > 0) log.info({ component: "retention", jobs }, `deleted jobs older than ${days} days`);
    return false;
  };
  const report = (error: unknown) => log.warn({ err: error, component: "retention" }, "nothing was deleted");
  return new Poller(look, report, RETENTION_EVERY_MS);
}

const RETENTION_EVERY_MS = 60_000;
