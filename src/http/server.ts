import Fastify, { type FastifyInstance, LogController } from "fastify";
import type { Logger } from "../observability/logger.ts";
import { answerErrors } from "./errors.ts";
import { type EventsOptions, eventsPlugin } from "./events.ts";
import { type HealthOptions, healthPlugin } from "./health.ts";
import { type JobsOptions, jobsPlugin } from "./jobs.ts";
import { type MetricsOptions, metricsPlugin } from "./metrics.ts";
import { schemasPlugin } from "./schemas.ts";

export type ServerOptions = EventsOptions & HealthOptions & JobsOptions & MetricsOptions & { log: Logger };

/** The HTTP door, not yet listening. */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: options.log,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: "idle",
    // Headers that trickle are Node's to end; bodies are ours (see readBody).
    http: { headersTimeout: 20_000, connectionsCheckingInterval: 5000 },
    routerOptions: { maxParamLength: 1024 },
  });
  answerErrors(app as unknown as FastifyInstance);
  await app.register(eventsPlugin, options);
  await app.register(healthPlugin, options);
  await app.register(metricsPlugin, options);
  await app.register(jobsPlugin, options);
  await app.register(schemasPlugin);
  return app as unknown as FastifyInstance;
}
