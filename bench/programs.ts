import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type BuildOptions, build } from "esbuild";

/** The files that Node is given: the service as built, and what it is compared with. */
export type Programs = {
  service: string;
  naive: string;
  eager: string;
  echo: string;
  [Symbol.asyncDispose](): Promise<void>;
};

const root = resolve(import.meta.dirname, "..");

/**
 * Compiled beforehand, so that nobody pays for TypeScript while a clock runs. The service is measured
 * from a copy of `dist`: a build that runs meanwhile replaces the chunks it has yet to load.
 */
export async function preparePrograms(): Promise<Programs> {
  const dist = resolve(root, "dist");
  if (!existsSync(join(dist, "main.js")))
    throw new Error("dist/main.js is not there: run `npm run build` first");
  const cache = resolve(root, "node_modules/.cache"); // inside the project: packages are found from there
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, "bench-"));
  const at = (file: string) => join(folder, file);
  await cp(dist, at("service"), { recursive: true });
  await build({
    ...common,
    entryPoints: ["naive", "eager"].map(server),
    outdir: folder,
    packages: "external",
  });
  await build({ ...common, ...asTheServiceIs, entryPoints: [server("echo")], outdir: folder });
  return {
    service: at("service/main.js"),
    naive: at("naive.mjs"),
    eager: at("eager.mjs"),
    echo: at("echo.mjs"),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

const server = (name: string) => resolve(import.meta.dirname, "servers", `${name}.ts`);

const common: BuildOptions = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  outExtension: { ".js": ".mjs" },
  logLevel: "warning",
};

/** As in scripts/build.ts: packages in CommonJS ask for `require`. */
const asTheServiceIs: BuildOptions = {
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
};
