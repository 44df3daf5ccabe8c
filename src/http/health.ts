import type { FastifyInstance } from "fastify";

export type Readiness = {
  ready: boolean;
  services: Record<string, boolean>;
  embedded: readonly string[];
};

export type HealthOptions = { readiness: () => Promise<Readiness> };

/** How long one look at the services serves all probes. */
const FRESH_MS = 1000;

/** `/health` says that the process runs and touches nothing; `/ready` says whether it can work. */
export async function healthPlugin(app: FastifyInstance, { readiness }: HealthOptions): Promise<void> {
  app.get("/health", { logLevel: "warn" }, async () => ({
    status: "healthy",
    timestamp: new Date().toISOString(),
  }));

  let lookedAt = Number.NEGATIVE_INFINITY;
  let look: Promise<Readiness> | undefined;
  app.get("/ready", { logLevel: "warn" }, async (_request, reply) => {
    if (look === undefined || performance.now() - lookedAt > FRESH_MS) {
      lookedAt = performance.now();
      look = readiness();
    }
    const { ready, services, embedded } = await look;
    const body = {
      status: ready ? "ready" : "not_ready",
      services,
      embedded,
      timestamp: new Date().toISOString(),
    };
    return reply.code(ready ? 200 : 503).send(body);
  });
}
