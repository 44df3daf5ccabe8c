import { chmodSync, readdirSync } from "node:fs";
import * as modules from "node:module";
import { join, resolve } from "node:path";
import process from "node:process";

// prime-cache <folder of chunks>: run while the image is built, by the image's Node, with NODE_COMPILE_CACHE set.
// Each chunk is loaded once, so one that needs a file that is not in the image fails the build.
const folder = resolve(process.argv[2] ?? "dist/chunks");
const chunks = readdirSync(folder).filter((name) => name.endsWith(".js"));
for (const chunk of chunks) await import(join(folder, chunk));

/** Since Node 22: the types here are those of Node 20. */
type CompileCache = { getCompileCacheDir?(): string | undefined; flushCompileCache?(): void };
const { getCompileCacheDir, flushCompileCache } = modules as CompileCache;
flushCompileCache?.();
const cache = getCompileCacheDir?.() ?? "";
const entries = cache === "" ? [] : readdirSync(cache);
// Node makes them for their owner alone, and in the image they belong to root: nobody could read them.
for (const entry of entries) chmodSync(join(cache, entry), 0o444);

if (chunks.length === 0 || entries.length < chunks.length) {
  process.stderr.write(
    `${chunks.length} chunks in ${folder}, only ${entries.length} in the cache "${cache}"\n`,
  );
  process.exit(1);
}
process.stdout.write(`${entries.length} files in the cache ${cache}\n`);
process.exit(0); // a package may hold something open
