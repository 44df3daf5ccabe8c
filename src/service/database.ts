import type { Config } from "../config.ts";
import type { Logger } from "../observability/logger.ts";
import type { Database } from "../postgres/database.ts";

/** Postgres as configured: embedded, or a server. */
export async function openDatabase(config: Config, log: Logger): Promise<Database> {
  const { postgres, runs, eventLog } = config;
  if (postgres.kind === "embedded") {
    const { openEmbedded } = await import("../postgres/embedded.ts");
    return await openEmbedded({ directory: postgres.dataDir, schema: postgres.schema, eventLog });
  }
  const { openServer } = await import("../postgres/server.ts");
  const { databaseMetrics } = await import("../observability/metrics.ts");
  return openServer({
    ...postgres,
    eventLog,
    lockHoldMs: Math.floor((runs.leaseSeconds * 1000) / 3),
    onConnectionError: (error) => {
      databaseMetrics.connectionFailed();
      log.warn({ err: error, component: "postgres" }, "a connection broke");
    },
  });
}
