import { readdir, readFile } from "node:fs/promises";
import { type Database, type Queryable, quotedSchema } from "./database.ts";

/** A set-up that another room owns and that must happen under the same lock, after our own tables. */
export type ExtraStep = (tx: Queryable) => Promise<void>;

// Any number will do as long as it never changes: old and new versions must wait for each other.
const LOCK = 7_201_969;

/**
 * Brings the schema up to date. Many processes may start at once: one works, the others wait and
 * find nothing to do. All of it is one transaction, so a kill in the middle leaves what was before.
 */
export async function migrate(db: Database, extraSteps: readonly ExtraStep[] = []): Promise<void> {
  const files = await migrationFiles();
  await db.transaction(async (tx) => {
    await tx.query("migrate-lock", "select pg_advisory_xact_lock($1)", [LOCK]);
    await tx.query("migrate-schema", `create schema if not exists ${quotedSchema(db.schema)}`);
    await tx.query(
      "migrate-table",
      "create table if not exists migrations (name text primary key, applied_at timestamptz not null default now())",
    );
    const applied = await tx.query<{ name: string }>("migrate-read", "select name from migrations");
    const done = new Set(applied.map((row) => row.name));
    for (const file of files.filter((each) => !done.has(each.name))) {
      for (const [number, statement] of statementsOf(await readFile(file.url, "utf8")).entries()) {
        await tx.query(`${file.name}-${number}`, statement);
      }
      await tx.query("migrate-done", "insert into migrations (name) values ($1)", [file.name]);
    }
    for (const step of extraSteps) await step(tx);
  });
}

/** Which migrations are still to come, and which are of a later edition than this one. */
export async function migrationState(db: Queryable): Promise<{ pending: string[]; unknown: string[] }> {
  const names = (await migrationFiles()).map(({ name }) => name);
  const [table] = await db.query<{ name: string | null }>(
    "migrations-there",
    "select to_regclass('migrations')::text as name",
  );
  const rows = table?.name
    ? await db.query<{ name: string }>("migrate-read", "select name from migrations")
    : [];
  const applied = new Set(rows.map(({ name }) => name));
  return {
    pending: names.filter((name) => !applied.has(name)),
    unknown: [...applied].filter((name) => !names.includes(name)),
  };
}

/** The folder stands beside this file in the source, and beside the bundle in dist. */
async function migrationFiles(): Promise<{ name: string; url: URL }[]> {
  const folder = new URL("./migrations/", import.meta.url);
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  if (names.length === 0) throw new Error(`no migrations in ${folder.pathname}: the build is incomplete`);
  return names.map((name) => ({ name, url: new URL(name, folder) }));
}

/** Prepared statements take one command each; a line `--;;` stands between two. */
function statementsOf(sql: string): string[] {
  return sql
    .split(/^--;;.*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
}
