import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import process from "node:process";
import type { EgressAllow } from "../agents/egress-allow.ts";
import type { McpServer } from "../agents/mcp-servers.ts";
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
import type { Secrets } from "../secrets/secrets.ts";
import type { FrameLog } from "../streaming/frame-log.ts";
import { openDatabase } from "./database.ts";
import { openDeliverer } from "./delivery.ts";
import { openNamedAgents } from "./named-agents.ts";
import { openNats } from "./nats.ts";
import { modelSettings } from "./secrets.ts";
import type { Streams } from "./streams.ts";

/** What rooms of their own read from the configuration, read at the start. */
export type Settings = {
  overrides: ReadonlyMap<string, string>;
  egressAllow: EgressAllow;
  mcpServers: ReadonlyMap<string, McpServer>;
  graphModules: ReadonlyMap<string, string>;
  sinkCa: readonly string[] | undefined;
  streams: Streams;
  prices: ReadonlyMap<string, Price> | undefined;
};

/** What has come up so far. */
export type ServiceState = {
  connected?: Connected;
  secrets?: Secrets;
  streams?: Streams;
  stopping: boolean;
};

/** What there is once Postgres has answered. */
export type Connected = {
  db: Database;
  door: Door;
  frames: FrameLog;
  stopRuns: () => Promise<void>;
  /** Undefined where no NATS is configured. */
  isNatsUp: (() => boolean) | undefined;
};

/** Tries until Postgres is there: a pod that starts before its database must not crash in a loop. */
export async function connectUntilDone(
  config: Config,
  settings: Settings,
  log: Logger,
  lifetime: Lifetime,
  stopping: () => boolean,
  secrets?: Secrets,
): Promise<Connected> {
  const db = lifetime.own(await openDatabase(config, log, secrets), (database) => database.close());
  const { migrate } = await import("../postgres/migrate.ts");
  const { setUpCheckpoints } = await import("../checkpoints/set-up.ts");
  for (let tries = 0; !stopping(); tries++) {
    try {
      const attributes = { "db.system.name": "postgresql", "agent_executor.tries": tries + 1 };
      await inSpan("connect postgresql", { attributes, parent: ROOT_CONTEXT }, () =>
        migrate(db, [(tx) => setUpCheckpoints(tx, db.schema)]),
      );
      return await openRuns(config, settings, db, log, lifetime, secrets);
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
  secrets?: Secrets,
): Promise<Connected> {
  const { Acceptor } = await import("../runs/accept.ts");
  const { Door } = await import("../runs/door.ts");
  const { Waiters } = await import("../runs/waiters.ts");
  const { Worker } = await import("../runs/worker.ts");
  const { Agents } = await import("../agents/compile.ts");
  const { openModelGate } = await import("./model-gate.ts");
  const { graphMetrics, modelMetrics } = await import("../observability/metrics.ts");
  const { runs, events, sink } = config;
  const gate = openModelGate(config.models.maxConcurrent, settings.streams.redis, log);
  const name = `${hostname()}:${process.pid}:${randomBytes(3).toString("hex")}`;
  const waiters = new Waiters();
  const deliverer =
    sink && lifetime.own(await openDeliverer(sink, settings.sinkCa, db, log), (each) => each.stop());
  const nats = config.nats && (await openNats(config.nats, config, db, log, lifetime));
  const sender = {
    prefix: events.typePrefix,
    source: events.source,
    overrides: settings.overrides,
    targets: deliverer ? ["sink"] : [],
    firstAttemptSeconds: 2 * (sink?.timeoutSeconds ?? (nats ? NATS_ATTEMPT_SECONDS : 0)),
  };
  const worker = new Worker({
    db,
    agents: new Agents({
      graphModules: settings.graphModules,
      onCache: graphMetrics.looked,
      toolbox: await openToolbox(config, settings, db, lifetime, secrets),
      settings: () => ({ ...modelSettings(config, secrets), gate, watch: modelMetrics }),
    }),
    maxLimits: runs.maxLimits,
    streams: settings.streams.frames,
    prices: settings.prices,
    name,
    leaseSeconds: runs.leaseSeconds,
    maxConcurrent: runs.maxConcurrent,
    maxAttempts: runs.maxAttempts,
    sender,
    waiters,
    deliver: (settled) => {
      deliverer?.deliverSettled(settled);
      if (settled.toNats) nats?.deliverer.deliverSettled(settled);
    },
    log: log.child({ component: "runs" }),
  });
  const named = await openNamedAgents(config.agents.dir, log, lifetime);
  const acceptor = new Acceptor(
    {
      worker: name,
      leaseSeconds: runs.leaseSeconds,
      maxQueued: runs.maxQueued,
      maxQueuedOfJob: runs.maxQueuedPerJob,
    },
    (reference) => named?.find(reference),
  );
  const sinkDeadlineMs = (sink?.deadlineSeconds ?? 0) * 1000;
  const door = new Door({
    ...{ db, acceptor, worker, waiters, sender, deliverer, sinkDeadlineMs },
    alsoAtWork: () => nats?.atWork() ?? 0,
    log: log.child({ component: "door" }),
  });
  await nats?.take({ door, worker, sender });
  lifetime.own(await openRetention(config, db, log), (each) => each.stop());
  const stopRuns = async () => {
    await nats?.stopPulling();
    await worker.stop(config.shutdownGraceSeconds * 1000);
    door.stopWaiting();
  };
  return { db, door, frames: settings.streams.frames, stopRuns, isNatsUp: nats?.isUp };
}

async function openToolbox(
  { tools }: Config,
  settings: Settings,
  db: Database,
  lifetime: Lifetime,
  secrets: Secrets | undefined,
) {
  const { Toolbox } = await import("../agents/toolbox.ts");
  const toolbox = new Toolbox({
    egress: { allow: settings.egressAllow },
    mcpServers: settings.mcpServers,
    modules: new Map(tools.modules.map((item) => [item.replace(/=.*$/, ""), item.replace(/^[^=]*=/, "")])),
    db,
    ...(secrets && { secret: (path) => secrets.tools.read(path) }),
  });
  return lifetime.own(toolbox, (each) => each.close());
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

/** Longer than one attempt to publish, as twice the time-out is for a sink. */
const NATS_ATTEMPT_SECONDS = 5;
const RETENTION_EVERY_MS = 60_000;
