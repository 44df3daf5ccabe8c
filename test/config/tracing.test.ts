import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";

const BASE = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/" };
const tracingOf = (env: Record<string, string>) => readConfig(env).config.tracing;

describe("the settings of traces", () => {
  it("are none without an endpoint", () => {
    expect(tracingOf({ OTEL_SERVICE_NAME: "mine" })).toBeUndefined();
  });

  it("add the path to the endpoint of all signals, and take that of traces as it is", () => {
    const own = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://elsewhere/otlp" };

    expect(tracingOf(BASE)).toEqual({
      url: "http://collector:4318/v1/traces",
      serviceName: "agent-executor",
    });
    expect(tracingOf({ ...BASE, ...own, OTEL_SERVICE_NAME: "mine" })).toEqual({
      url: "https://elsewhere/otlp",
      serviceName: "mine",
    });
  });

  it("can be switched off as everywhere", () => {
    expect(tracingOf({ ...BASE, OTEL_SDK_DISABLED: "true" })).toBeUndefined();
  });

  it("make no spans for a collector that is told to speak gRPC, and say so", () => {
    const { config, notes } = readConfig({ ...BASE, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" });

    expect(config.tracing).toBeUndefined();
    expect(notes).toContainEqual(expect.stringContaining("http/protobuf alone"));
  });

  it("refuse what is no address, and a password in it", () => {
    const start = (url: string) => () => readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: url });

    expect(start("collector")).toThrow("OTEL_EXPORTER_OTLP_ENDPOINT");
    expect(start("http://me:sesame@collector:4318")).toThrow(/the value is not usable/);
  });
});
