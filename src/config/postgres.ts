import { readDatabaseUrl } from "../postgres/database-url.ts";
import type { Findings } from "./findings.ts";
import type { Given } from "./variables.ts";

const PG_PARTS = ["PG_HOST", "PG_PORT", "PG_USER", "PG_PASSWORD", "PG_DATABASE"] as const;

/** A server by its parts or by its URL, or the embedded one. */
export function choosePostgres(given: Given, production: boolean, { problems, notes }: Findings) {
  const { DATABASE_URL, PG_HOST, PG_SCHEMA: schema } = given;
  const inVault = given.VAULT_ADDR !== undefined;
  const isWhole = DATABASE_URL !== undefined || (PG_HOST !== undefined && given.PG_PASSWORD !== undefined);
  if (inVault && !isWhole) return fromVault(given);
  const parts = PG_PARTS.filter((name) => given[name] !== undefined).join(", ");
  if (PG_HOST === undefined && DATABASE_URL === undefined) {
    if (production)
      problems.push("PG_HOST or DATABASE_URL: missing; production needs a Postgres server (or VAULT_ADDR)");
    else if (parts !== "") problems.push(`PG_HOST: missing, while ${parts} is set; expected a host name`);
    return { kind: "embedded" as const, dataDir: given.DATA_DIR, schema };
  }
  if (DATABASE_URL !== undefined && parts !== "") notes.push(`${parts} replaces its part of DATABASE_URL`);
  const url = readDatabaseUrl(DATABASE_URL ?? "postgres:", { problems, notes });
  return {
    kind: "server" as const,
    host: PG_HOST ?? (url.host || "127.0.0.1"),
    port: given.PG_PORT ?? (Number(url.port) || 5432),
    user: given.PG_USER ?? (url.user || "postgres"),
    password: given.PG_PASSWORD ?? (url.password || undefined),
    database: given.PG_DATABASE ?? (url.database || "postgres"),
    ssl: url.ssl,
    poolSize: given.PG_POOL_SIZE,
    schema,
  };
}

/** The secret in Vault says what variables do not. */
function fromVault(given: Given) {
  return {
    kind: "vault" as const,
    given: {
      host: given.PG_HOST,
      port: given.PG_PORT,
      user: given.PG_USER,
      password: given.PG_PASSWORD,
      database: given.PG_DATABASE,
    },
    ssl: false as const,
    poolSize: given.PG_POOL_SIZE,
    schema: given.PG_SCHEMA,
  };
}
