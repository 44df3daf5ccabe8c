import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setUpCheckpoints } from "../../src/checkpoints/set-up.ts";
import type { Database } from "../../src/postgres/database.ts";
import { openEmbedded } from "../../src/postgres/embedded.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { openServer } from "../../src/postgres/server.ts";
import { freshDatabase, type TestDatabase } from "./databases.ts";

export type OpenPort = { db: Database; close(): Promise<void> };

/** The port over a server, on the pool size that the test wants. */
export function serverPort(at: TestDatabase, poolSize = 10, eventLog?: string): Database {
  return openServer({
    host: at.host,
    port: at.port,
    user: at.user,
    password: at.password,
    database: at.database,
    schema: "agent_executor",
    poolSize,
    lockHoldMs: 10_000,
    onConnectionError: () => undefined,
    eventLog,
  });
}

/** Both ways to Postgres, migrated and empty, for sentences that must hold on either. */
export const ports: readonly { name: string; open(eventLog?: string): Promise<OpenPort> }[] = [
  {
    name: "a Postgres server",
    open: async (eventLog) => {
      const database = await freshDatabase();
      const db = serverPort(database, 32, eventLog);
      const close = async () => {
        await db.close();
        await database[Symbol.asyncDispose]();
      };
      return { db, close };
    },
  },
  {
    name: "the embedded Postgres",
    open: async (eventLog) => {
      const directory = await mkdtemp(join(tmpdir(), "agent-executor-embedded-"));
      const db = await openEmbedded({ directory, schema: "agent_executor", eventLog });
      await migrate(db, [(tx) => setUpCheckpoints(tx, db.schema)]);
      const close = async () => {
        await db.close();
        await rm(directory, { recursive: true, force: true });
      };
      return { db, close };
    },
  },
];
