import { type Gate, LocalGate } from "../agents/gate.ts";
import { type RedisLike, SharedGate } from "../agents/shared-gate.ts";
import type { Logger } from "../observability/logger.ts";
import { modelMetrics } from "../observability/metrics.ts";

/** The cap on model requests: of this process, or of all that share a Redis if there is to be one. */
export function openModelGate(
  most: number,
  redis: (() => RedisLike | undefined) | undefined,
  log: Logger,
): Gate {
  if (redis === undefined) return new LocalGate(most);
  const onOutage = (error: unknown): void => {
    if (error === null) {
      log.info({ component: "models" }, "Redis is back: the cap on model requests holds over all processes");
      return;
    }
    modelMetrics.gateOutage();
    log.warn(
      { err: error, component: "models" },
      "Redis is away: only this process's own cap on model requests holds",
    );
  };
  return new SharedGate({ most, redis, onOutage });
}
