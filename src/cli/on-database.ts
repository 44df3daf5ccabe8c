import type { Database } from "../postgres/database.ts";
import { CommandFailed } from "./exit.ts";
import type { CliTools } from "./tools.ts";

const NO_SUCH_TABLE = "42P01";

/** Works on the configured database and closes it. Who finds it away, or without tables, is told what to do. */
export async function onDatabase<T>(
  { openDatabase }: CliTools,
  work: (db: Database) => Promise<T>,
): Promise<T> {
  try {
    const db = await openDatabase();
    try {
      return await work(db);
    } finally {
      await db.close();
    }
  } catch (cause) {
    throw (await explained(cause)) ?? cause;
  }
}

async function explained(cause: unknown): Promise<CommandFailed | undefined> {
  const { isDatabaseUnavailable, sqlState } = await import("../postgres/failures.ts");
  const { isPassing } = await import("../secrets/failure.ts");
  const text = cause instanceof Error ? cause.message : String(cause);
  const more = `does not answer (${text}): agent-executor doctor says more`;
  if (sqlState(cause) === NO_SUCH_TABLE) {
    return new CommandFailed(`${text}: agent-executor db migrate makes the tables`, 1, { cause });
  }
  if (isDatabaseUnavailable(cause)) return new CommandFailed(`the database ${more}`, 3, { cause });
  if (isPassing(cause)) return new CommandFailed(`Vault ${more}`, 3, { cause });
  return undefined;
}
