import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { variables } from "../src/config/variables.ts";
import { catalogue } from "../src/errors/catalogue.ts";
import { registry } from "../src/observability/metrics.ts";

const root = resolve(import.meta.dirname, "..");
const page = readFileSync(resolve(root, "docs/operations.md"), "utf8");
const section = (title: string) => page.split(/^## /m).find((text) => text.startsWith(title)) ?? "";

describe("docs/operations.md", () => {
  it("has a line for every error, and none for one that there is not", () => {
    const codes = [...section("Failure guide").matchAll(/^\| `(\w+)` \| \S/gm)].map((match) => match[1]);

    // A new error: say there what an operator looks at first.
    expect(codes.toSorted()).toEqual(Object.keys(catalogue).toSorted());
  });

  it("says of every metric what it is for", () => {
    const names = registry.getMetricsAsArray().map(({ name }) => name);

    expect(names.filter((name) => !section("Alerts").includes(name))).toEqual([]);
  });

  it("names only variables that there are", () => {
    const foreign = new Set(["BUILD_IMAGE", "RUNTIME_IMAGE", "NPM_CONFIG_REGISTRY"]);
    const known = new Set([...variables.map(({ name }) => name), ...foreign]);

    const named = [...page.matchAll(/`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`/g)].map((match) => match[1] ?? "");

    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it("names only files that there are", () => {
    const paths = [...page.matchAll(/\bknative(?:\/[\w.-]+)*\/?[\w-]*\.yaml\b/g)].map((match) => match[0]);

    expect(paths.length).toBeGreaterThan(2);
    for (const path of paths) expect(() => readFileSync(resolve(root, path))).not.toThrow();
  });
});
