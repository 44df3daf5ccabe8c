import { readConfig, secretsIn } from "../../src/config.ts";
import { createLogger } from "../../src/observability/logger.ts";
import { hideValue } from "../../src/observability/redaction.ts";
import { type Service, startService } from "../../src/service.ts";
import { freshDatabase, type TestDatabase } from "./databases.ts";
import { witness } from "./witness.ts";

export type TestService = Service & { database: TestDatabase };

/** The whole service in this process, on a free port and a database of its own. */
export async function startTestService(env: Record<string, string> = {}): Promise<TestService> {
  const database = await freshDatabase();
  const service = await startOn(database, env);
  const close = async () => {
    await service.close();
    await database[Symbol.asyncDispose]();
  };
  return { ...service, database, close };
}

/** One more process of the same service, as it were: the database is shared and outlives it. */
export async function startOn(database: TestDatabase, env: Record<string, string> = {}): Promise<Service> {
  const environment = {
    PORT: "0",
    LOG_LEVEL: "debug",
    DATABASE_URL: database.url,
    SHUTDOWN_GRACE_SECONDS: "5",
    ...env,
  };
  witness.knowThoseIn(env);
  for (const secret of secretsIn(environment)) hideValue(secret); // as the process does
  const { config } = readConfig(environment);
  const log = createLogger(config.logLevel, { write: (line) => witness.see("logs", line) });
  const service = await startService(config, log);
  await service.ready;
  return service;
}
