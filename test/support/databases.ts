import { randomBytes } from "node:crypto";
import pg from "pg";
import { type Address, addressOf, withDatabase } from "./database-url.ts";
import { runId, serviceUrl } from "./environment.ts";
import { prepareTemplate } from "./template.ts";
import { until } from "./wait.ts";

type Row = Record<string, unknown>;
export type TestDatabase = Address & {
  url: string;
  /** For looking in from outside: one statement on a connection of its own. */
  sql(text: string, values?: readonly unknown[]): Promise<Row[]>;
  /** Drops it. Fails when connections to it are still open: a pool was not closed. */
  [Symbol.asyncDispose](): Promise<void>;
};
export type DatabaseOptions = {
  /** For tests that kill: a dead process leaves connections that Postgres notices late. */
  mayLeak?: boolean;
};

/** A database of one's own, with the migrated schema and no rows: one for each test file, or for each test. */
export async function freshDatabase({ mayLeak = false }: DatabaseOptions = {}): Promise<TestDatabase> {
  const server = serviceUrl("postgres");
  return await copyOf(await prepareTemplate(server), server, mayLeak);
}

/** One with nothing in it, for tests of the migration itself. */
export async function emptyDatabase(): Promise<TestDatabase> {
  return await copyOf("template0", serviceUrl("postgres"), false);
}

async function copyOf(template: string, server: string, mayLeak: boolean): Promise<TestDatabase> {
  const database = `test_${runId()}_${randomBytes(4).toString("hex")}`;
  await onServer(server, (client) => client.query(`create database ${database} template ${template}`));

  const url = withDatabase(server, database);
  const dispose = () =>
    onServer(server, async (client) => {
      const leaks = mayLeak ? [] : await connectionsLeft(client, database);
      await client.query(`drop database if exists ${database} with (force)`);
      if (leaks.length > 0) {
        throw new Error(`${leaks.length} connections to the database were left open:\n${leaks.join("\n")}`);
      }
    });
  return {
    ...addressOf(url),
    url,
    sql: (text, values = []) =>
      onServer(url, async (client) => (await client.query<Row>(text, [...values])).rows),
    [Symbol.asyncDispose]: dispose,
  };
}

/** Removes what this run made on a server that goes on living, also after test files that crashed. */
export async function dropDatabasesOfRun(server: string): Promise<void> {
  await onServer(server, async (client) => {
    const { rows } = await client.query<{ datname: string; datistemplate: boolean }>(
      "select datname, datistemplate from pg_database where starts_with(datname, $1)",
      [`test_${runId()}_`],
    );
    for (const { datname, datistemplate } of rows) {
      if (datistemplate) await client.query(`alter database ${datname} is_template false`);
      await client.query(`drop database if exists ${datname} with (force)`);
    }
  });
}

/** What each connection did last. A closed one takes a moment to go, so "left" means: still there after 1 s. */
async function connectionsLeft(client: pg.Client, database: string): Promise<string[]> {
  let left: string[] = [];
  const none = async () => {
    const { rows } = await client.query<{ last: string }>(
      `select concat_ws(' ', pid, application_name, state || ':', left(query, 200)) as last
         from pg_stat_activity where datname = $1 and backend_type = 'client backend'`,
      [database],
    );
    left = rows.map(({ last }) => last);
    return left.length === 0;
  };
  await until(none, { timeoutMs: 1_000, what: "closed connections to go" }).catch(() => undefined); // `left` tells
  return left;
}

async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
