import type { Given } from "./variables.ts";

/** Where spans go; without an endpoint nothing of it is loaded. */
export function chooseTracing(given: Given): { url: string; serviceName: string } | undefined {
  const {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: whole,
    OTEL_EXPORTER_OTLP_ENDPOINT: base,
    OTEL_SERVICE_NAME: serviceName,
  } = given;
  if (given.OTEL_SDK_DISABLED) return undefined;
  const url = whole ?? (base === undefined ? undefined : `${base.replace(/\/+$/, "")}/v1/traces`);
  return url === undefined ? undefined : { url, serviceName };
}
