import type { Config } from "../config.ts";
import type { Readiness } from "../http/health.ts";
import { pause } from "../lifetime/pause.ts";
import type { Database } from "../postgres/database.ts";
import type { ServiceState } from "./runs.ts";

/** A probe that takes longer than this has failed. */
const PROBE_MS = 1000;

/**
 * What is not used is true, and named. A pod gets ready with Redis; after that an outage of streams
 * takes it away only where READY_STRICT says so. Vault is true from when it gave what is needed until
 * that runs out: that it is away now harms nobody.
 */
export async function readiness(config: Config, state: ServiceState): Promise<Readiness> {
  const db = state.stopping ? undefined : state.connected?.db;
  const postgres = db !== undefined && (await answers(db));
  const vault = config.vault === undefined || state.secrets?.isUsable === true;
  // Production has one, though its address may still have to come from Vault.
  const willUseRedis = config.redis !== undefined || config.profile === "production";
  const usesRedis = state.streams?.usesRedis ?? willUseRedis;
  const redis = state.streams?.state() ?? { isUp: !usesRedis, wasUp: !usesRedis };
  const embedded = [
    ...(config.vault === undefined ? ["vault"] : []),
    ...(usesRedis ? [] : ["redis"]),
    ...(config.postgres.kind === "embedded" ? ["postgres"] : []),
  ];
  // Told, and no more: while NATS is away the HTTP door goes on, and so do the runs.
  const nats = config.nats && { nats: state.connected?.isNatsUp?.() ?? false };
  const ready = postgres && vault && (config.readyStrict ? redis.isUp : redis.wasUp);
  return { ready, services: { vault, postgres, redis: redis.isUp, ...nats }, embedded };
}

/** Figures of the database are asked for at most so often, however many scrape. */
const FIGURES_MS = 5000;
const lastLooks = new WeakMap<Database, { at: number; look: Promise<unknown> }>();

/** Queue and outbox are those of the database; when it is away they stay as they were. */
export async function scrape(db: Database | undefined): Promise<string> {
  const { registry } = await import("../observability/metrics.ts");
  if (db !== undefined) {
    const last = lastLooks.get(db);
    const isFresh = last !== undefined && performance.now() - last.at < FIGURES_MS;
    const look = isFresh ? last.look : lookAtFigures(db);
    if (!isFresh) lastLooks.set(db, { at: performance.now(), look });
    await Promise.race([look, pause(PROBE_MS)]);
  }
  return await registry.metrics();
}

async function lookAtFigures(db: Database): Promise<void> {
  const { outboxMetrics, queueMetrics } = await import("../observability/metrics.ts");
  const { outboxFigures } = await import("../delivery/outbox.ts");
  const { queueFigures } = await import("../runs/figures.ts");
  await Promise.allSettled([
    outboxFigures(db).then(outboxMetrics.looked),
    queueFigures(db).then(queueMetrics.looked),
  ]);
}

const lastAsked = new WeakMap<Database, { at: number; answer: Promise<boolean> }>();

/** Whether Postgres answers now; asked at most once at a time, however many probes there are. */
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
