import type { Config } from "../config.ts";
import { AgentError } from "../errors/agent-error.ts";
import type { Logger } from "../observability/logger.ts";
import type { Database } from "../postgres/database.ts";
import type { Secrets } from "../secrets/secrets.ts";
import type { PostgresSecret } from "../secrets/values.ts";
import { openSecrets } from "./secrets.ts";

/** Postgres as configured: embedded, a server, or a server by the login that Vault has for us. */
export async function openDatabase(config: Config, log: Logger, secrets?: Secrets): Promise<Database> {
  const { postgres, runs, eventLog } = config;
  if (postgres.kind === "embedded") {
    const { openEmbedded } = await import("../postgres/embedded.ts");
    return await openEmbedded({ directory: postgres.dataDir, schema: postgres.schema, eventLog });
  }
  const { openServer } = await import("../postgres/server.ts");
  const { databaseMetrics, poolMetrics } = await import("../observability/metrics.ts");
  const report = (error: unknown) => {
    databaseMetrics.connectionFailed();
    log.warn({ err: error, component: "postgres" }, "a connection broke");
  };
  const rest = {
    eventLog,
    watchPool: poolMetrics.watch,
    lockHoldMs: Math.floor((runs.leaseSeconds * 1000) / 3),
    onConnectionError: report,
  };
  if (postgres.kind === "server") return openServer({ ...postgres, ...rest });
  if (secrets === undefined) return await openWithOwnSecrets(config, log);

  const { RotatingDatabase } = await import("../postgres/rotating.ts");
  const { given, ssl, poolSize, schema } = postgres;
  const open = (login: Login) => openServer({ ssl, ...login, poolSize, schema, ...rest });
  const login = () => mergeLogin(given, secrets.values.postgres);
  const lookAgain = () =>
    secrets.lookForNewLogin().catch((error: unknown) => {
      log.warn({ err: error, component: "vault" }, "cannot ask Vault for another login to Postgres");
    });
  const db = new RotatingDatabase({ login: login(), open, lookAgain, report });
  secrets.on("postgres", () => {
    log.info({ component: "postgres" }, "Vault has another login: new connections use it once it works");
    db.offer(login());
  });
  return db;
}

type Login = ReturnType<typeof mergeLogin>;
type Given = Extract<Config["postgres"], { kind: "vault" }>["given"];

/** Variables win, part by part. */
function mergeLogin(given: Given, held: PostgresSecret = {}) {
  return {
    host: given.host ?? held.host ?? "127.0.0.1",
    port: given.port ?? held.port ?? 5432,
    user: given.user ?? held.user ?? "postgres",
    password: given.password ?? held.password,
    database: given.database ?? held.database ?? "postgres",
    ...(held.ssl !== undefined && { ssl: held.ssl }),
  };
}

/** For a command, which has no service around it: Vault is asked once. */
async function openWithOwnSecrets(config: Config, log: Logger): Promise<Database> {
  const secrets = await openSecrets(config, log);
  if (secrets === undefined) throw new AgentError("not_ready", "VAULT_ADDR is missing");
  try {
    const missing = await secrets.refresh();
    if (missing.length > 0)
      throw new AgentError("not_ready", `Vault has no secret for ${missing.join(", ")}`);
    const db = await openDatabase(config, log, secrets);
    const close = db.close.bind(db);
    db.close = async () => {
      await close();
      await secrets.close();
    };
    return db;
  } catch (error) {
    await secrets.close();
    throw error;
  }
}
