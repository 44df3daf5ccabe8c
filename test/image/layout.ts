import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import * as modules from "node:module";
import { join, resolve } from "node:path";
import process from "node:process";
import { runCommand } from "../support/process.ts";
import { copies, lineage, parseDockerfile } from "./dockerfile.ts";

const root = resolve(import.meta.dirname, "../..");
const dockerfile = parseDockerfile(readFileSync(join(root, "Dockerfile"), "utf8"));

/** Distroless' `nonroot`: a number that no user of this machine has. */
const FOREIGN = { uid: 65_532, gid: 65_532 };
export const isRoot = process.getuid?.() === 0;
/** Only root may become somebody else. */
export const asForeign = isRoot ? FOREIGN : {};

/** What the image starts, and with what, as its last stages say. */
export function startOf(place: string): { args: string[]; cwd: string; env: Record<string, string> } {
  const instructions = lineage(dockerfile).flatMap((stage) => stage.instructions);
  const env: Record<string, string> = {};
  for (const { name, args } of instructions) {
    if (name !== "ENV") continue;
    for (const pair of args) {
      const [key = "", value = ""] = pair.split(/=(.*)/s);
      env[key] = value.replace(/^\/app\b/, join(place, "app"));
    }
  }
  const args = [...(instructions.findLast(({ name }) => name === "CMD")?.args ?? [])];
  return { args, cwd: join(place, "app"), env };
}

/** Puts into `place` what the COPY lines of the last stages put into the image, and nothing else. */
export async function layOut(place: string): Promise<void> {
  if (!existsSync(join(root, "dist/main.js"))) throw new Error("there is no dist: run `npm run build` first");
  chmodSync(place, 0o755); // a temporary folder is its owner's alone
  for (const stage of lineage(dockerfile)) {
    for (const { sources, target } of copies(stage, "/app")) {
      for (const source of sources) {
        const name = source.split("/").at(-1) ?? "";
        const to = join(place, target.endsWith("/") ? join(target, name) : target);
        mkdirSync(join(to, ".."), { recursive: true });
        await bring(name, to, place);
      }
    }
  }
  makeReadOnly(place);
}

/** As the stage that makes it would. */
async function bring(name: string, to: string, place: string): Promise<void> {
  if (name === "compile-cache") return await primeCache(to, place);
  if (name === "agent-executor.cdx.json") return await listPackages(to);
  cpSync(join(root, name), to, { recursive: true });
}

async function primeCache(to: string, place: string): Promise<void> {
  if (!("flushCompileCache" in modules)) {
    process.stdout.write(`Node ${process.version} has no compile cache: the image's is left out\n`);
    return;
  }
  mkdirSync(to, { mode: 0o777 });
  chmodSync(to, 0o777);
  // The loader is for Node before 24; the image's own takes the types off by itself.
  const args = ["--import", "tsx", join(root, "scripts/prime-cache.ts"), join(place, "app/dist/chunks")];
  const env = { ...process.env, NODE_COMPILE_CACHE: to };
  const { code, stderr } = await runCommand(process.execPath, args, { env });
  if (code !== 0) throw new Error(`the compile cache could not be made: ${stderr}`);
}

async function listPackages(to: string): Promise<void> {
  const run = dockerfile.stages
    .flatMap(({ instructions }) => instructions)
    .find(({ args }) => args.join(" ").includes("sbom"));
  const command = run?.args.join(" ").replace(/>.*$/, "") ?? "false";
  const { code, stdout, stderr } = await runCommand("sh", ["-c", `${command}> "${to}"`]);
  if (code !== 0) throw new Error(`${command}: ${stdout}${stderr}`);
}

function makeReadOnly(path: string): void {
  const isFolder = statSync(path).isDirectory();
  if (isFolder) for (const name of readdirSync(path)) makeReadOnly(join(path, name));
  chmodSync(path, isFolder ? 0o555 : 0o444);
}

/** So that it can be removed again by who is not root. */
export function makeWritable(path: string): void {
  if (!statSync(path).isDirectory()) return;
  chmodSync(path, 0o755);
  for (const name of readdirSync(path)) makeWritable(join(path, name));
}

/** Every file with its size. */
export function contentOf(place: string): string[] {
  const paths = readdirSync(place, { recursive: true, encoding: "utf8" }).sort();
  return paths.flatMap((path) => {
    const stat = statSync(join(place, path));
    return stat.isFile() ? [`${path} ${stat.size}`] : [];
  });
}
