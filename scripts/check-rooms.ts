import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import process from "node:process";

/** Rooms by floor: a room imports from floors below its own and from nothing beside it. */
const FLOORS: readonly (readonly string[])[] = [
  ["errors", "lifetime"],
  ["events", "observability", "postgres"],
  ["secrets", "checkpoints", "streaming", "delivery", "sandbox"],
  ["agents", "python"],
  ["runs"],
  ["http", "nats", "cli"],
];
/** The composition: it knows every room, and no room knows it. */
const ROOT_FILES = new Set(["main.ts", "cli.ts", "config.ts", "index.ts", "service.ts"]);
/** Parts of config.ts and service.ts: they stand at the root as those do. */
const ROOT_FOLDERS = new Set(["config", "service"]);

/** The page for people: it runs in a browser and shares no code with the rooms. */
const PAGE = "console";

const src = resolve(import.meta.dirname, "../src");
const floorOf = new Map(FLOORS.flatMap((rooms, floor) => rooms.map((room) => [room, floor] as const)));
const problems: string[] = [];
let imports = 0;

function sourceFiles(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return sourceFiles(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

function checkFile(file: string): void {
  const where = relative(src, file);
  const [room = "", ...rest] = where.split("/");
  const atRoot = rest.length === 0 || ROOT_FOLDERS.has(room);
  if (rest.length === 0) {
    if (!ROOT_FILES.has(room))
      problems.push(`${where}: only ${[...ROOT_FILES].join(", ")} stand at the root`);
  } else if (!floorOf.has(room) && !atRoot && room !== PAGE) {
    problems.push(`${where}: "${room}" is no room of the house`);
  } else if (rest.length > 1) {
    problems.push(`${where}: rooms have no sub-folders with code`);
  }
  for (const target of importedFiles(file)) checkImport(where, room, atRoot, target);
}

/** Relative imports only, static and dynamic; packages are knip's business. */
function importedFiles(file: string): string[] {
  const text = readFileSync(file, "utf8");
  const pattern = /(?:from\s+|import\s*\(\s*|import\s+)["'](\.[^"']+)["']/g;
  return [...text.matchAll(pattern)].map((match) => relative(src, resolve(dirname(file), match[1] ?? "")));
}

function checkImport(where: string, room: string, atRoot: boolean, target: string): void {
  imports++;
  const [targetRoom = "", ...inside] = target.split("/");
  if (atRoot) return;
  if (inside.length === 0 || ROOT_FOLDERS.has(targetRoom)) {
    problems.push(`${where} imports ${basename(target)}: no room knows the composition`);
    return;
  }
  if (targetRoom === room) return;
  if (room === PAGE) {
    problems.push(`${where} imports ${target}: the page shares no code with the rooms`);
    return;
  }
  const own = floorOf.get(room) ?? -1;
  const other = floorOf.get(targetRoom);
  if (other === undefined) problems.push(`${where} imports ${target}, which is in no room`);
  else if (other >= own) problems.push(`${where} imports ${target}: ${targetRoom} is not below ${room}`);
}

const files = sourceFiles(src);
for (const file of files) checkFile(file);

// A check that saw nothing must not be green: a moved folder would switch it off in silence.
if (files.length < 10 || imports < 20)
  problems.push(`only ${files.length} files and ${imports} imports seen`);
if (problems.length > 0) {
  console.error(`The house does not hold:\n  ${problems.join("\n  ")}`);
  process.exit(1);
}
console.log(`rooms: ${files.length} files, ${imports} imports, all in order`);
