import type { Findings } from "./findings.ts";
import type { Given } from "./variables.ts";

/** Where spans go; without an endpoint nothing of it is loaded. */
export function chooseTracing(
  given: Given,
  { notes }: Findings,
): { url: string; serviceName: string } | undefined {
  const {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: whole,
    OTEL_EXPORTER_OTLP_ENDPOINT: base,
    OTEL_EXPORTER_OTLP_PROTOCOL: protocol = "http/protobuf",
    OTEL_SERVICE_NAME: serviceName,
  } = given;
  const url = whole ?? (base === undefined ? undefined : `${base.replace(/\/+$/, "")}/v1/traces`);
  if (url === undefined || given.OTEL_SDK_DISABLED) return undefined;
  if (protocol !== "http/protobuf") {
    // A cluster may inject an endpoint for gRPC into every pod: no reason not to start.
    notes.push(`OTEL_EXPORTER_OTLP_PROTOCOL=${protocol}: no spans are made; they go by http/protobuf alone`);
    return undefined;
  }
  return { url, serviceName };
}
