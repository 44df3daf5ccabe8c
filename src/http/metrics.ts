import type { FastifyInstance } from "fastify";

export type MetricsOptions = { metrics: () => Promise<string> };

export async function metricsPlugin(app: FastifyInstance, { metrics }: MetricsOptions): Promise<void> {
  app.get("/metrics", { logLevel: "warn" }, async (_request, reply) => {
    return reply.header("content-type", "text/plain; version=0.0.4; charset=utf-8").send(await metrics());
  });
}
