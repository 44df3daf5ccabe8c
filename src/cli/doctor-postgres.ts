import type { Database, Queryable } from "../postgres/database.ts";
import { sqlState } from "../postgres/failures.ts";
import { migrationState } from "../postgres/migrate.ts";
import { Problem } from "./doctor.ts";

/** PostgreSQL 14, as server_version_num says it. */
const OLDEST = 140_000;
/** Leases are in the database's time; what people read in logs and events is in ours. */
const MOST_SKEW_MS = 5000;

const ASK = `
  select current_setting('server_version_num')::int as number, current_setting('server_version') as version,
         (extract(epoch from clock_timestamp()) * 1000)::float8 as "atMs", current_database() as database,
         case when to_regnamespace($1) is null then has_database_privilege(current_database(), 'create')
              else has_schema_privilege($1, 'create') end as "mayCreate"`;

type Server = { number: number; version: string; atMs: number; database: string; mayCreate: boolean };

/** Connects as the service would, and looks at what it would find. */
export async function lookAtPostgres(open: () => Promise<Database>): Promise<string> {
  const db = await open();
  try {
    await db.query("warm", "select 1"); // connecting takes time that is not skew
    const askedAt = Date.now();
    const [server] = await db.query<Server>("doctor", ASK, [db.schema]);
    const skewMs = server ? Math.round(server.atMs - (askedAt + Date.now()) / 2) : 0;
    if (server === undefined) throw new Error("no answer");
    return await judge(db, server, skewMs);
  } catch (error) {
    throw fixable(error);
  } finally {
    await db.close().catch(() => undefined); // it is being given up anyhow
  }
}

async function judge(db: Queryable & { schema: string }, server: Server, skewMs: number): Promise<string> {
  const { number, version, database, mayCreate } = server;
  if (number < OLDEST) throw new Problem(`PostgreSQL ${version} is too old`, "use PostgreSQL 14 or newer");
  if (Math.abs(skewMs) > MOST_SKEW_MS) {
    const fix = "let both machines keep their time by NTP";
    throw new Problem(`the clocks are ${Math.round(skewMs / 1000)} s apart`, fix);
  }
  const { pending, unknown } = await migrationState(db);
  if (pending.length > 0 && !mayCreate) {
    const grant = `grant create on database "${database}", or on its schema ${db.schema}, to PG_USER`;
    throw new Problem(`${pending.length} migrations are pending and this user may not make tables`, grant);
  }
  const state =
    unknown.length > 0
      ? `was migrated by a later edition (${unknown.join(", ")})`
      : pending.length > 0
        ? `gets ${pending.length} migrations at the next start`
        : "is up to date";
  return `PostgreSQL ${version}, schema ${db.schema} ${state}, clocks ${Math.abs(skewMs)} ms apart`;
}

/** By SQLSTATE, which names the variable at fault. */
function fixable(error: unknown): unknown {
  const text = error instanceof Error ? error.message : String(error);
  switch (sqlState(error)) {
    case "28P01":
    case "28000":
      return new Problem(text, "correct PG_USER and PG_PASSWORD (or DATABASE_URL)");
    case "3D000":
      return new Problem(text, "create the database, or correct PG_DATABASE");
    case "53300":
      return new Problem(text, "raise max_connections, or lower PG_POOL_SIZE times the number of pods");
    default:
      return error;
  }
}
