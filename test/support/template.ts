import pg from "pg";
import { setUpCheckpoints } from "../../src/checkpoints/set-up.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { openServer } from "../../src/postgres/server.ts";
import { addressOf, withDatabase } from "./database-url.ts";
import { runId } from "./environment.ts";

const templates = new Map<string, Promise<string>>();

/** The name of the migrated database all test databases are copies of; the first to ask in a run makes it. */
export function prepareTemplate(serverUrl: string): Promise<string> {
  const template = templates.get(serverUrl) ?? makeOnce(serverUrl);
  templates.set(serverUrl, template);
  return template;
}

async function makeOnce(serverUrl: string): Promise<string> {
  const name = `test_${runId()}_template`;
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    // Test files start in several processes at once. The lock goes with the connection.
    await client.query("select pg_advisory_lock(hashtext($1))", [name]);
    const { rows } = await client.query<{ datistemplate: boolean }>(
      "select datistemplate from pg_database where datname = $1",
      [name],
    );
    if (rows[0]?.datistemplate) return name;

    await client.query(`drop database if exists ${name} with (force)`); // an earlier try failed half-way
    await client.query(`create database ${name} template template0 encoding 'UTF8' locale 'C'`);
    await fill(withDatabase(serverUrl, name));
    // No connections: autovacuum on the template would hold up the copying. Being a template says: done.
    await client.query(`alter database ${name} is_template true allow_connections false`);
    return name;
  } finally {
    await client.end();
  }
}

/** What every test database starts with. */
async function fill(templateUrl: string): Promise<void> {
  const { host, port, user, password, database } = addressOf(templateUrl);
  const db = openServer({
    host,
    port,
    user,
    password,
    database,
    schema: "agent_executor",
    poolSize: 2,
    lockHoldMs: 30_000,
    onConnectionError: () => undefined,
  });
  try {
    await migrate(db, [(tx) => setUpCheckpoints(tx, db.schema)]);
  } finally {
    await db.close();
  }
}
