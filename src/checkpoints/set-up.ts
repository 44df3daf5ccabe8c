import type pg from "pg";
import type { Queryable } from "../postgres/database.ts";
import { stockPool } from "./stock-pool.ts";

/** The number of the stock saver's last migration; a test holds it against the installed version. */
export const STOCK_VERSION = 4;

/**
 * LangGraph's own tables, made by the stock saver's own set-up inside the migration transaction: by
 * itself it is not safe to run twice at once. It is imported only when there is something to do,
 * because importing it costs more than the rest of the start.
 */
export async function setUpCheckpoints(tx: Queryable, schema: string): Promise<void> {
  // Made here, because the stock set-up finds out by a failing query, and that ends a transaction.
  await tx.query(
    "saver-versions",
    "create table if not exists checkpoint_migrations (v integer primary key)",
  );
  const [row] = await tx.query<{ v: number | null }>(
    "saver-version",
    "select max(v) as v from checkpoint_migrations",
  );
  if (row?.v === STOCK_VERSION) return;
  const { PostgresSaver } = await import("@langchain/langgraph-checkpoint-postgres");
  await new PostgresSaver(asPgPool(tx), undefined, { schema }).setup();
}

/** The stock saver is typed against node-postgres, of which it uses what StockPool has. */
export function asPgPool(on: Queryable): pg.Pool {
  return stockPool(on) as unknown as pg.Pool;
}
