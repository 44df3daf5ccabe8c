import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { expect, it } from "vitest";

const src = resolve(import.meta.dirname, "../../src");

/** Files that load together with this one: its static imports, and theirs. */
function loadedWith(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const imports = readFileSync(file, "utf8").matchAll(
    /^(?:import|export)\s(?!type\b)[^;]*?from\s+"([^"]+)"/gm,
  );
  return [...imports].flatMap(([, target = ""]) =>
    target.startsWith(".") ? loadedWith(resolve(dirname(file), target), seen) : [target],
  );
}

it.each(["main.ts", "service.ts", "service/runs.ts", "service/nats.ts", "cli.ts", "cli/verbs.ts"])(
  "%s loads without the NATS client, which only NATS_URL asks for",
  (file) => {
    expect(loadedWith(resolve(src, file)).filter((name) => name.startsWith("@nats-io"))).toEqual([]);
  },
);

it("sees the imports that it looks for", () => {
  expect(loadedWith(resolve(src, "nats/line.ts"))).toContain("@nats-io/transport-node");
});
