import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { isRecord } from "./json.ts";

/** GRAPH_MODULES: `name=path,…`, or a JSON file that maps names to paths, which count from its folder. */
export function readGraphList(given: string | undefined): ReadonlyMap<string, string> {
  const text = given?.trim() ?? "";
  if (text === "") return new Map();
  return text.includes("=") ? listed(text) : inFile(resolve(text));
}

function listed(text: string): Map<string, string> {
  const entries = text.split(",").map((entry) => {
    const [name = "", path = ""] = entry.split(/=(.*)/s).map((part) => part.trim());
    if (name === "" || path === "") throw unusable(`"${entry.trim()}" is not name=path`);
    return [name, resolve(path)] as const;
  });
  return new Map(entries);
}

function inFile(file: string): Map<string, string> {
  const list = parsed(file);
  if (!isRecord(list)) throw unusable(`${file} holds no object of names and paths`);
  const entries = Object.entries(list).map(([name, path]) => {
    if (typeof path !== "string") throw unusable(`the path of "${name}" in ${file} is no text`);
    return [name, resolve(dirname(file), path)] as const;
  });
  return new Map(entries);
}

function parsed(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw unusable(error instanceof Error ? error.message : String(error));
  }
}

function unusable(why: string): Error {
  return new Error(`GRAPH_MODULES is not usable: ${why}`);
}
