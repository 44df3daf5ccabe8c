import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** Every package that loads together with this file: its static imports and those of the files it imports. */
export function packagesOf(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const imports = readFileSync(file, "utf8").matchAll(
    /^(?:import|export)\s(?!type\b)[^;]*?from\s+"([^"]+)"/gm,
  );
  return [...imports].flatMap(([, target = ""]) =>
    target.startsWith(".") ? packagesOf(resolve(dirname(file), target), seen) : [target],
  );
}
