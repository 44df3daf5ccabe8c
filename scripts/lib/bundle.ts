import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";
import { licencesOf } from "./licences.ts";

const root = resolve(import.meta.dirname, "../..");

/** `crashPoints`: an edition for the tests that kill. `plugins`: one for the tests that break it otherwise. */
export type BundleOptions = { folder: string; crashPoints?: boolean; plugins?: Plugin[] };

/**
 * One bundle with lazy chunks: reading thousands of small files is most of an unbundled start. What
 * ships files of its own beside its code (WebAssembly, archives) stays a package.
 */
export async function bundle({ folder, crashPoints = false, plugins = [] }: BundleOptions): Promise<void> {
  const dist = resolve(root, folder);
  await rm(dist, { recursive: true, force: true });
  const service = await build({
    absWorkingDir: root,
    entryPoints: { main: "src/main.ts", cli: "src/cli.ts", index: "src/index.ts" },
    outdir: dist,
    define: crashPoints ? {} : { "globalThis.__CRASH_POINTS__": "false" },
    plugins,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node20",
    chunkNames: "chunks/[name]-[hash]",
    external: ["@electric-sql/pglite", "@electric-sql/pglite-prepopulatedfs", "pg-native"],
    // Packages in CommonJS ask for `require`; an ES module has none by itself.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    legalComments: "linked",
    sourcemap: false,
    metafile: true,
    logLevel: "warning",
  });
  await buildPage(resolve(dist, "console/page.html"));
  const sandbox = await bundleSandbox(resolve(dist, "sandbox"));
  await writeFile(resolve(dist, "licences.txt"), licencesOf([service.metafile, sandbox], root));
  // Beside the chunks: a migration is looked up next to the code that runs it.
  await cp(resolve(root, "src/postgres/migrations"), resolve(dist, "chunks/migrations"), { recursive: true });
}

/** The page as one document: its policy names the hashes of what stands in it. */
async function buildPage(file: string): Promise<void> {
  const source = (name: string) => readFile(resolve(root, "src/console", name), "utf8");
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ["src/console/main.ts"],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2023",
    write: false,
  });
  const script = outputFiles[0]?.text ?? "";
  if (script.includes("</script")) throw new Error("the script of the page would end its own element");
  const [page, style] = await Promise.all([source("page.html"), source("page.css")]);
  const whole = page.replace("/* style */", () => style).replace("/* script */", () => script);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, whole);
}

/** A thread's entry is a file of its own, whole, with its WebAssembly: not a chunk, which anyone may import. */
async function bundleSandbox(folder: string): Promise<Metafile> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: { worker: "src/sandbox/worker.ts" },
    outdir: folder,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    legalComments: "linked",
    metafile: true,
    logLevel: "warning",
  });
  const wasm = createRequire(import.meta.url).resolve("@jitl/quickjs-wasmfile-release-sync/wasm");
  await cp(wasm, resolve(folder, "quickjs.wasm"));
  return metafile;
}
