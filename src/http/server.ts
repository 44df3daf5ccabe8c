import Fastify, { type FastifyInstance, LogController } from "fastify";
import type { Logger } from "../observability/logger.ts";
import { answerBrokenLine } from "./broken-line.ts";
import { type ConsoleOptions, consolePlugin } from "./console.ts";
import { answerErrors, answerUnroutable } from "./errors.ts";
import { type EventsOptions, eventsPlugin } from "./events.ts";
import { type GuardOptions, guardRoutes } from "./guard.ts";
import { type HealthOptions, healthPlugin } from "./health.ts";
import { type JobEventsOptions, jobEventsPlugin } from "./job-events.ts";
import { type JobsOptions, jobsPlugin } from "./jobs.ts";
import { type LinkRoutesOptions, linksPlugin } from "./link-routes.ts";
import { type MetricsOptions, metricsPlugin } from "./metrics.ts";
import { limitRates, type RateLimitOptions } from "./rate-limit.ts";
import { type RunsOptions, runsPlugin } from "./runs.ts";
import { schemasPlugin } from "./schemas.ts";

export type ServerOptions = EventsOptions &
  ConsoleOptions &
  GuardOptions &
  HealthOptions &
  JobEventsOptions &
  JobsOptions &
  LinkRoutesOptions &
  MetricsOptions &
  RateLimitOptions &
  RunsOptions & { log: Logger };

const HEADERS_MS = 20_000;
/** Longest block of headers that Node takes, and so longer than any path. */
const MAX_HEADER_BYTES = 16_384;
/** How long a stop waits for those who are still sending or reading; their answers are out by then. */
const LAST_WORDS_MS = 1000;

/** The HTTP door, not yet listening. */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: options.log,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: "idle",
    // What still comes in on an open line gets our answers, which say when to come again.
    return503OnClosing: false,
    http: { headersTimeout: HEADERS_MS, connectionsCheckingInterval: 5000, maxHeaderSize: MAX_HEADER_BYTES },
    // Ends the bodies that nobody reads, as of a request to no route; for events see readBody.
    requestTimeout: HEADERS_MS + options.bodyTimeoutSeconds * 1000,
    routerOptions: { maxParamLength: MAX_HEADER_BYTES },
    frameworkErrors: answerUnroutable,
    clientErrorHandler: answerBrokenLine,
  }) as unknown as FastifyInstance;
  // Bodies come as they were sent, also those of requests to no route: nothing is to parse them.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
  // Node would answer 417 with nothing; RFC 9110 lets us ignore what we do not know.
  app.server.on("checkExpectation", (request, response) => app.server.emit("request", request, response));
  app.addHook("preClose", async () => {
    setTimeout(() => app.server.closeAllConnections(), LAST_WORDS_MS).unref();
  });

  answerErrors(app);
  guardRoutes(app, options);
  limitRates(app, options);
  await app.register(eventsPlugin, options);
  await app.register(healthPlugin, options);
  await app.register(metricsPlugin, options);
  await app.register(jobsPlugin, options);
  await app.register(runsPlugin, options);
  await app.register(linksPlugin, options);
  await app.register(consolePlugin, options);
  await app.register(jobEventsPlugin, options);
  await app.register(schemasPlugin);
  return app;
}
