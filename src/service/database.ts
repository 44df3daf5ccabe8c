import type { Config } from "../config.ts";
import type { Logger } from "../observability/logger.ts";
import type { Database } from "../postgres/database.ts";

/** Postgres as configured: embedded, or a server. */
export async function openDatabase(config: Config, log: Logger): Promise<Database> {
  const { postgres, runs } = config;
  if (postgres.kind === "embedded") {
    const { openEmbedded } = await import("../postgres/embedded.ts");
    return await openEmbedded({ directory: postgres.dataDir, schema: postgres.schema });
  }
  const { openServer } = await import("../postgres/server.ts");
  const { databaseMetrics, poolMetrics } = await import("../observability/metrics.ts");
  return openServer({
    ...postgres,
    lockHoldMs: Math.floor((runs.leaseSeconds * 1000) / 3),
    watchPool: poolMetrics.watch,
    onConnectionError: (error) => {
      databaseMetrics.connectionFailed();
      log.warn({ err: error, component: "postgres" }, "a connection broke");
    },
  });
}
