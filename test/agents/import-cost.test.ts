import { resolve } from "node:path";
import { expect, it } from "vitest";
import { packagesOf } from "../support/imports.ts";

const room = resolve(import.meta.dirname, "../../src/agents");

it.each([
  "definition",
  "definition-hash",
  "compile",
  "models",
  "model-errors",
  "input",
  "journaled-tool",
  "egress-allow",
  "mcp-servers",
  "toolbox",
])("%s.ts is loaded without LangChain, which costs most of a second", (name) => {
  const packages = packagesOf(resolve(room, `${name}.ts`));
  expect(
    packages.filter((each) => !/^(node:|typebox|@marcbachmann\/cel-js|@opentelemetry\/api)/.test(each)),
  ).toEqual([]);
});

it("main.ts is loaded without metrics and without what sends spans off", () => {
  const packages = packagesOf(resolve(room, "../main.ts"));
  expect(packages.filter((each) => each.startsWith("@opentelemetry/"))).toContain("@opentelemetry/api");
  expect(packages.filter((each) => /prom-client|opentelemetry.*(sdk|exporter|resources)/.test(each))).toEqual(
    [],
  );
});

it.each(["@modelcontextprotocol/sdk", "quickjs-emscripten-core"])(
  "%s comes with the first tool that needs it, not with the service",
  (name) => {
    const packages = packagesOf(resolve(room, "../service/runs.ts"));
    expect(packages.length).toBeGreaterThan(2);
    expect(packages.filter((each) => each.startsWith(name))).toEqual([]);
    const lazy = ["mcp-connection.ts", "../sandbox/worker.ts"].flatMap((file) =>
      packagesOf(resolve(room, file)),
    );
    expect(lazy.some((each) => each.startsWith(name))).toBe(true);
  },
);

it("sees the imports that it looks for", () => {
  expect(packagesOf(resolve(room, "openai.ts"))).toContain("@langchain/openai");
  expect(packagesOf(resolve(room, "definition.ts"))).toContain("typebox/compile");
});
