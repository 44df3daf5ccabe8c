import pg from "pg";
import { type Database, type Queryable, quotedSchema } from "./database.ts";
import { Listener } from "./listener.ts";

export type ServerOptions = {
  host: string;
  port: number;
  user: string;
  password?: string | undefined;
  database: string;
  schema: string;
  poolSize: number;
  ssl?: boolean | { rejectUnauthorized: boolean } | undefined;
  /** A statement, and an open transaction, may hold its locks no longer than this. */
  lockHoldMs: number;
  /** Levels of the event log, as `event_log_level` reads them; without it: standard for all. */
  eventLog?: string | undefined;
  onConnectionError: (error: Error) => void;
  /** Gets a look at the pool, for its figures; the function that comes back ends that. */
  watchPool?: (look: () => { open: number; idle: number; waiting: number }) => () => void;
};

/** No statement of ours is meant to take long; a caller waits for the answer. */
const LONGEST_STATEMENT_MS = 5000;

/** The port over a Postgres server. Nothing connects before the first query. */
export function openServer(options: ServerOptions): Database {
  const schema = quotedSchema(options.schema);
  const statementMs = Math.min(options.lockHoldMs, LONGEST_STATEMENT_MS);
  const connection = {
    host: options.host,
    port: options.port,
    user: options.user,
    password: options.password,
    database: options.database,
    ssl: options.ssl ?? false,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    application_name: "agent-executor",
  };
  const pool = new pg.Pool({
    ...connection,
    max: options.poolSize,
    // Below the idle limits of cloud load balancers, which cut in silence.
    idleTimeoutMillis: 60_000,
    // A worker that is cut off must lose its row locks before its lease runs out, or a takeover that
    // skips locked rows never sees the run.
    statement_timeout: statementMs,
    idle_in_transaction_session_timeout: options.lockHoldMs,
    // For a connection that falls silent: the server's own limit does not reach us over a dead line.
    query_timeout: statementMs + 500,
    options: `-c search_path=${schema}${options.eventLog ? ` -c agent_executor.event_log=${options.eventLog}` : ""}`,
  });
  // Without a listener a connection that dies while idle ends the process.
  pool.on("error", options.onConnectionError);
  const unwatch = options.watchPool?.(() => ({
    open: pool.totalCount,
    idle: pool.idleCount,
    waiting: pool.waitingCount,
  }));
  return {
    kind: "server",
    schema: options.schema,
    query: (name, text, values) => queryOn(pool, name, text, values),
    transaction: (work) => transaction(pool, work),
    listen: async (channel, hear, report) => {
      const listener = new Listener(connection, channel, hear, report);
      return () => listener.stop();
    },
    close: async () => {
      unwatch?.();
      await pool.end();
    },
  };
}

async function queryOn<R>(
  on: pg.Pool | pg.PoolClient,
  name: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<R[]> {
  const result = await on.query({ name, text, values: [...values] });
  return result.rows as R[]; // the row type is the caller's word for its own SQL
}

async function transaction<T>(pool: pg.Pool, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // A connection that dies between two statements says so by event only.
  const onError = (error: Error) => {
    broken = error;
  };
  client.on("error", onError);
  try {
    await client.query("begin");
    const result = await work({
      query: (name, text, values) => queryOn(client, name, text, values),
    });
    await client.query("commit");
    return result;
  } catch (error) {
    // A client whose rollback fails may still be inside the transaction: it must not be used again.
    await client.query("rollback").catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.off("error", onError);
    client.release(broken);
  }
}
