import { randomBytes } from "node:crypto";
import pg from "pg";
import { serviceUrl } from "./environment.ts";
import { until } from "./wait.ts";
import { witness } from "./witness.ts";

const GROUP = "test_needs_password";

export type PasswordRole = {
  user: string;
  setPassword(password: string): Promise<void>;
  /** Cuts what it has open, as a failover or a strict rotation does. */
  cutConnections(): Promise<number>;
  /** Connections of it that were opened before. */
  connectionsSince(before: Date): Promise<{ older: number; newer: number }>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** A role that the server asks for its password, while it trusts all others; it may do what we may. */
export async function passwordRole(password: string): Promise<PasswordRole> {
  witness.know(password);
  const user = `test_${randomBytes(6).toString("hex")}`;
  const client = new pg.Client({ connectionString: serviceUrl("postgres") });
  await client.connect();
  const sql = async (text: string, values: unknown[] = []) => (await client.query(text, values)).rows;
  await askForPasswords(sql);
  await sql(`create role ${user} login password '${password}' in role ${GROUP}`);
  await sql(`grant "${(await sql("select current_user as name"))[0]?.name}" to ${user}`);
  return {
    user,
    setPassword: async (next) => {
      witness.know(next);
      await sql(`alter role ${user} password '${next}'`);
    },
    cutConnections: async () =>
      (await sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [user])).length,
    connectionsSince: async (before) => {
      const [counts] = await sql(
        `select count(*) filter (where backend_start < $2)::int as older,
                count(*) filter (where backend_start >= $2)::int as newer
           from pg_stat_activity where usename = $1`,
        [user, before],
      );
      return counts;
    },
    [Symbol.asyncDispose]: async () => {
      await sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1", [user]);
      await sql(`drop role ${user}`);
      await client.end();
    },
  };
}

/** Adds a line to the server's pg_hba.conf, by the server itself, once in its life. */
async function askForPasswords(sql: (text: string) => Promise<{ file?: string; pg_read_file?: string }[]>) {
  const line = `host all +${GROUP} all scram-sha-256`;
  await sql("select pg_advisory_lock(728914)");
  try {
    // Read first: `copy` empties the file before its query runs.
    const [rules] = await sql(
      "select current_setting('hba_file') as file, pg_read_file(current_setting('hba_file'))",
    );
    const { file = "", pg_read_file: before = "" } = rules ?? {};
    if (before.includes(line)) return;
    await sql(`do $$ begin create role ${GROUP}; exception when duplicate_object then null; end $$`);
    const after = `${line}\n${before}`;
    await sql(`copy (select unnest(string_to_array($rules$${after}$rules$, chr(10)))) to '${file}'`);
    await sql("select pg_reload_conf()");
    // The reload is a signal: it is in force when the server says so itself.
    const inForce = `select 1 from pg_hba_file_rules where '+${GROUP}' = any(user_name)`;
    await until(async () => (await sql(inForce)).length > 0, { what: "the rule to be in force" });
  } finally {
    await sql("select pg_advisory_unlock(728914)");
  }
}
