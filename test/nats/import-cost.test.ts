import { resolve } from "node:path";
import { expect, it } from "vitest";
import { packagesOf } from "../support/imports.ts";

const src = resolve(import.meta.dirname, "../../src");

it.each(["main.ts", "service.ts", "service/runs.ts", "service/nats.ts", "cli.ts", "cli/verbs.ts"])(
  "%s loads without the NATS client, which only NATS_URL asks for",
  (file) => {
    expect(packagesOf(resolve(src, file)).filter((name) => name.startsWith("@nats-io"))).toEqual([]);
  },
);

it("sees the imports that it looks for", () => {
  expect(packagesOf(resolve(src, "nats/line.ts"))).toContain("@nats-io/transport-node");
});
