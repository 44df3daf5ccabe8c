import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { definitionHash } from "./definition-hash.ts";
import { isRecord } from "./json.ts";

/** A definition that has a name. */
export type NamedAgent = { name: string; version: string | undefined; hash: string; body: unknown };

export type AgentFile =
  | { file: string; stamp: string; agent: NamedAgent }
  | { file: string; stamp: string; problem: string };

const EXTENSION = /(\.agent)?\.(json|ya?ml)$/i;
/** More than any definition that an event could carry. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * The definitions in a folder. A mounted ConfigMap is a folder of links into a folder that is swapped
 * as a whole, so links are followed; what begins with a dot is the mount's own.
 */
export async function listAgentFiles(folder: string): Promise<{ file: string; stamp: string }[]> {
  const names = (await readdir(folder)).filter((name) => EXTENSION.test(name) && !name.startsWith("."));
  const files = await Promise.all(
    names.sort().map(async (file) => {
      // A file that goes between the two looks is gone.
      const found = await stat(join(folder, file)).catch(() => undefined);
      if (found === undefined || !found.isFile()) return [];
      return [{ file, stamp: `${found.ino}:${found.size}:${found.mtimeMs}` }];
    }),
  );
  return files.flat();
}

/** A file as an agent, or what is wrong with it, in words for the operator. */
export async function readAgentFile(folder: string, file: string, stamp: string): Promise<AgentFile> {
  try {
    const text = await readFile(join(folder, file), "utf8");
    if (text.length > MAX_BYTES) throw new Error(`is larger than ${MAX_BYTES} bytes`);
    const body = await parse(file, text);
    const { problemsOf } = await import("./definition.ts");
    const problems = problemsOf(body).map(
      ({ code, path, message }) => `${code} at ${path || "/"}: ${message}`,
    );
    if (problems.length > 0) return { file, stamp, problem: problems.join("; ") };
    return { file, stamp, agent: named(file, body) };
  } catch (error) {
    return {
      file,
      stamp,
      problem: error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error),
    };
  }
}

async function parse(file: string, text: string): Promise<unknown> {
  if (/json$/i.test(file)) return JSON.parse(text);
  const { parse: parseYaml } = (await import("yaml")).default; // CommonJS: the bundle gives it no names of its own
  // Aliases could make a small file huge; JSON knows none, so a definition needs none.
  return parseYaml(text, { maxAliasCount: 0, schema: "core" });
}

/** By the name in the definition, else by the file's: `writer@2.yaml` is version 2 of `writer`. */
function named(file: string, body: unknown): NamedAgent {
  const [ofFile = "", versionOfFile] = file.replace(EXTENSION, "").split("@");
  const { name, version } = isRecord(body) ? body : {};
  return {
    name: typeof name === "string" ? name : ofFile,
    version: typeof version === "string" ? version : versionOfFile,
    hash: definitionHash(body),
    body,
  };
}
