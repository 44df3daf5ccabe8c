import type { ServerOptions } from "../../src/http/server.ts";
import { createLogger } from "../../src/observability/logger.ts";

const never = () => Promise.reject(new Error("not called"));

/** For a door of which only the frame is looked at: behind it there is nothing. */
export const nothing: ServerOptions = {
  log: createLogger("silent"),
  door: never,
  readiness: never,
  metrics: never,
  readJob: never,
  followJob: never,
  listJobs: never,
  cancelJob: never,
  resumeJob: never,
  readRun: never,
  readDefinition: never,
  retryRun: never,
  readTrace: never,
  readInterrupt: never,
  jobRequestsPerSecond: 0,
  console: true,
  requireOwnJob: never,
  typePrefix: "dev.my-platform.agent",
  maxBodyBytes: 65_536,
  bodyTimeoutSeconds: 5,
  maxInFlight: 2,
};
