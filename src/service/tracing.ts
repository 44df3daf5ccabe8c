import { readFile } from "node:fs/promises";
import type { Config } from "../config.ts";
import type { Logger } from "../observability/logger.ts";
import type { Price } from "../observability/prices.ts";

/** Loads the SDK and begins to export, where there is somebody to export to. */
export async function openTracing(
  { tracing, platform }: Pick<Config, "tracing" | "platform">,
  log: Logger,
): Promise<{ close(): Promise<void> }> {
  if (tracing === undefined) return { close: async () => undefined };
  const { exportSpans } = await import("../observability/export-spans.ts");
  const { url, serviceName } = tracing;
  const resource = {
    "service.name": serviceName,
    ...(platform.revision !== undefined && { "service.version": platform.revision }),
  };
  const report = (what: "lost" | "taken again", reason: string) =>
    what === "lost"
      ? log.warn({ component: "tracing", reason }, "spans are lost: the collector does not take them")
      : log.info({ component: "tracing" }, "the collector takes spans again");
  return exportSpans({ url, resource, report });
}

/** The operator's price table. Throws at one that is none: a cost that is wrong is worse than none. */
export async function pricesOf({
  models,
}: Pick<Config, "models">): Promise<ReadonlyMap<string, Price> | undefined> {
  if (models.pricesFile === undefined) return undefined;
  const { readPrices } = await import("../observability/prices.ts");
  const text = await readFile(models.pricesFile, "utf8").catch((cause: Error) => {
    throw new Error(`MODEL_PRICES: ${models.pricesFile} cannot be read`, { cause });
  });
  return readPrices(text);
}
