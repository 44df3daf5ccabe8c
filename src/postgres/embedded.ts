import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { PGlite } from "@electric-sql/pglite";
import { type Database, quotedSchema } from "./database.ts";
import { takeDirectoryLock } from "./directory-lock.ts";

export type EmbeddedOptions = { directory: string; schema: string; eventLog?: string | undefined };

/**
 * Postgres inside this process, for development: one connection, and no fsync, so it survives a
 * crash of the process but not of the machine. Start-up refuses it in production.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Database> {
  await loadPglite(); // before a folder is made for nothing
  const schema = quotedSchema(options.schema);
  const directory = resolve(options.directory);
  await mkdir(directory, { recursive: true });
  const unlock = await takeDirectoryLock(directory);
  try {
    const pglite = await openPglite(join(directory, "postgres"));
    await pglite.exec(`set search_path = ${schema}`);
    if (options.eventLog) await pglite.exec(`set agent_executor.event_log = '${options.eventLog}'`);
    return portOver(pglite, options.schema, unlock);
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** A package of development: the image is made without it. */
async function loadPglite(): Promise<typeof import("@electric-sql/pglite")> {
  try {
    return await import("@electric-sql/pglite");
  } catch (cause) {
    const instead = "name a server by PG_HOST or DATABASE_URL, or to `run` a service by --url";
    throw new Error(`no embedded Postgres is installed here: ${instead}`, { cause });
  }
}

async function openPglite(data: string): Promise<PGlite> {
  const { PGlite } = await loadPglite();
  // As node-postgres has them, so that a query means the same on both.
  const parsers = {
    20: (value: string) => value,
    17: (value: string) => Buffer.from(value.slice(2), "hex"),
  };
  // Says that unpacking came to its end: half a database, after a kill, is begun anew.
  const whole = `${data}.whole`;
  if (existsSync(whole)) return await PGlite.create({ dataDir: data, parsers });
  await rm(data, { recursive: true, force: true });
  const { dataDir } = await import("@electric-sql/pglite-prepopulatedfs");
  const pglite = await PGlite.create({ dataDir: data, parsers, loadDataDir: await dataDir() });
  await writeFile(whole, "");
  return pglite;
}

function portOver(pglite: PGlite, schema: string, unlock: () => Promise<void>): Database {
  const turns = new Turns();
  // The name is dropped: a named query breaks PGlite's next statement.
  const rowsOf = async <R>(text: string, values: readonly unknown[] = []) => {
    const result = await pglite.query<R>(text, [...values]);
    return result.rows;
  };
  return {
    kind: "embedded",
    schema,
    query: (_name, text, values) => turns.take(() => rowsOf(text, values)),
    transaction: (work) =>
      turns.take(async () => {
        await pglite.exec("begin");
        try {
          const result = await work({ query: (_name, text, values) => rowsOf(text, values) });
          await pglite.exec("commit");
          return result;
        } catch (error) {
          await pglite.exec("rollback");
          throw error;
        }
      }),
    listen: (channel, hear) =>
      turns.take(async () => {
        const unlisten = await pglite.listen(channel, hear);
        return () => turns.take(() => unlisten());
      }),
    close: async () => {
      const release = await turns.hold();
      await pglite.close();
      await unlock();
      release();
    },
  };
}

/** First come, first served: PGlite's own lock does not span the statements of a transaction. */
class Turns {
  #last: Promise<void> = Promise.resolve();

  async hold(): Promise<() => void> {
    const before = this.#last;
    let release = () => {};
    this.#last = new Promise((done) => {
      release = done;
    });
    await before;
    return release;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.hold();
    try {
      return await work();
    } finally {
      release();
    }
  }
}
