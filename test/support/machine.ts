import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { runCommand } from "./process.ts";

/** What looking for a service needs to know of the machine; a test of the order brings its own. */
export type Machine = {
  env: NodeJS.ProcessEnv;
  /** The first folder with all the programs: PATH, then `places`, where one `*` stands for any name. */
  folderWith(programs: readonly string[], places: readonly string[]): string | undefined;
  dockerAnswers(): Promise<boolean>;
  system: "debian" | "macos" | "other";
  isRoot: boolean;
  install(packageName: string): Promise<void>;
};

export function thisMachine(env: NodeJS.ProcessEnv = process.env): Machine {
  return {
    env,
    folderWith: (programs, places) =>
      [...(env["PATH"] ?? "").split(delimiter).filter(Boolean), ...places.flatMap(folders)].find((folder) =>
        programs.every((program) => existsSync(join(folder, program))),
      ),
    // A client without an engine is common, and one whose engine is far away may take for ever to say so.
    dockerAnswers: async () => (await runCommand("docker", ["info"], { timeoutMs: 3_000 })).code === 0,
    system: thisSystem(),
    isRoot: process.getuid?.() === 0,
    install,
  };
}

/** Versions as numbers, newest first: 9 comes after 15. */
function folders(place: string): string[] {
  const star = place.indexOf("*");
  if (star < 0) return [place];
  const parent = dirname(`${place.slice(0, star)}x`);
  const start = place.slice(parent.length + 1, star);
  if (!existsSync(parent)) return [];
  return readdirSync(parent)
    .filter((name) => name.startsWith(start))
    .sort((a, b) => b.localeCompare(a, undefined, { numeric: true }))
    .map((name) => `${join(parent, name)}${place.slice(star + 1)}`);
}

function thisSystem(): Machine["system"] {
  if (process.platform === "darwin") return "macos";
  if (!existsSync("/etc/os-release")) return "other";
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync("/etc/os-release", "utf8"))
    ? "debian"
    : "other";
}

/** RUNLEVEL=1 keeps the package from starting a server of its own: the tests start theirs. */
async function install(packageName: string): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const options = { env, timeoutMs: 300_000 };
  const args = ["install", "-y", "--no-install-recommends", packageName];
  const first = await runCommand("apt-get", args, options);
  if (first.code === 0) return;
  await runCommand("apt-get", ["update"], options); // a fresh image has no package lists
  const second = await runCommand("apt-get", args, options);
  if (second.code !== 0) throw new Error(`apt-get ${args.join(" ")} failed:\n${second.stderr.slice(-2_000)}`);
}
