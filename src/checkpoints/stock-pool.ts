import { createHash } from "node:crypto";
import type { Queryable, Row } from "../postgres/database.ts";

/** What LangGraph's stock saver asks of a node-postgres pool, and no more. */
export interface StockPool {
  query(text: string, values?: unknown[]): Promise<{ rows: Row[] }>;
  connect(): Promise<{ query: StockPool["query"]; release(): void }>;
}

const names = new Map<string, string>();

/** The stock saver sends unnamed statements; a name makes Postgres plan each of its few texts once. */
function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = `saver-${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
    names.set(text, name);
  }
  return name;
}

export function stockPool(on: Queryable): StockPool {
  const query: StockPool["query"] = async (text, values) => ({
    rows: await on.query(nameOf(text), text, values),
  });
  return { query, connect: async () => ({ query, release: () => {} }) };
}
