/** A row as both drivers give it: int8 as string, bytea as Buffer, timestamptz as Date, json parsed. */
export type Row = Record<string, unknown>;

export interface Queryable {
  /**
   * Runs one statement and gives its rows. `name` names the prepared statement: the same name must
   * always come with the same text.
   */
  query<R = Row>(name: string, text: string, values?: readonly unknown[]): Promise<R[]>;
}

/**
 * The one way to Postgres, over a server or over the embedded one.
 *
 * The embedded one has a single connection: inside `transaction` only the handle it gives may be
 * used, anything else waits for the transaction that waits for it.
 */
export interface Database extends Queryable {
  readonly kind: "server" | "embedded";
  readonly schema: string;
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /**
   * Calls `hear` for each notification on the channel, over a connection of its own that is opened
   * again when it breaks. Notifications that come meanwhile are lost: have a look of your own behind it.
   */
  listen(
    channel: string,
    hear: (payload: string) => void,
    report: (error: unknown) => void,
  ): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** Schema names come from the operator; they are quoted into SQL, so they are held to plain identifiers. */
export function quotedSchema(schema: string): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new Error(`PG_SCHEMA "${schema}" must be a lower-case identifier of at most 63 characters`);
  }
  return `"${schema}"`;
}
