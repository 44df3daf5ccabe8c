import type { Config } from "../config.ts";
import type { Readiness } from "../http/health.ts";
import { pause } from "../lifetime/pause.ts";
import type { Database } from "../postgres/database.ts";

/** A probe that takes longer than this has failed. */
const PROBE_MS = 1000;

/** Vault and Redis are not used by this version: true, and named, so that probes can be written today. */
export async function readiness(
  config: Config,
  db: Database | undefined,
  isNatsUp: (() => boolean) | undefined,
): Promise<Readiness> {
  const postgres = db !== undefined && (await answers(db));
  const embedded = ["vault", "redis", ...(config.postgres.kind === "embedded" ? ["postgres"] : [])];
  // Told, and no more: while NATS is away the HTTP door goes on, and so do the runs.
  const nats = config.nats && { nats: isNatsUp?.() ?? false };
  return { ready: postgres, services: { vault: true, postgres, redis: true, ...nats }, embedded };
}

/** The figures of the outbox are those of the database; when it is away they stay as they were. */
export async function scrape(db: Database | undefined): Promise<string> {
  const { outboxMetrics, registry } = await import("../observability/metrics.ts");
  if (db !== undefined) {
    const { outboxFigures } = await import("../delivery/outbox.ts");
    const look = outboxFigures(db).then(outboxMetrics.looked, () => undefined);
    await Promise.race([look, pause(PROBE_MS)]);
  }
  return await registry.metrics();
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
