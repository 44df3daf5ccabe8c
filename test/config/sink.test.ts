import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config.ts";

describe("the settings of the sink", () => {
  it("take certificates as PEM text of many lines, and a file for the token", () => {
    const pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const { sink } = readConfig({ K_SINK: "https://sink", K_CA_CERTS: pem, SINK_TOKEN_FILE: "/t" }).config;

    expect(sink).toMatchObject({ caCerts: pem.trim(), tokenFile: "/t" });
    expect(readConfig({ K_SINK: "https://sink", K_CA_CERTS: "" }).config.sink).toMatchObject({
      caCerts: undefined,
      tokenFile: undefined,
    });
  });
});
