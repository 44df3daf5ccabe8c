import process from "node:process";

export type ServiceName = "postgres" | "redis" | "nats";

/** Names a server for the tests. Set by whoever runs them, or by `startServices` for all child processes. */
export const urlVariable = {
  postgres: "TEST_POSTGRES_URL",
  redis: "TEST_REDIS_URL",
  nats: "TEST_NATS_URL",
} as const satisfies Record<ServiceName, string>;

/** Tells the databases of this run from those of another on the same server. */
export const RUN_VARIABLE = "TEST_RUN_ID";

export function serviceUrl(name: ServiceName): string {
  const url = process.env[urlVariable[name]];
  if (url) return url;
  throw new Error(`no ${name} was started: add it to NEEDED in test/support/global-setup.ts`);
}

export function runId(): string {
  const id = process.env[RUN_VARIABLE];
  if (id) return id;
  throw new Error(`${RUN_VARIABLE} is not set: call startServices() before using a database`);
}
