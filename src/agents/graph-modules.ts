import { pathToFileURL } from "node:url";
import { AgentError } from "../errors/agent-error.ts";
import type { AgentsOptions, AnyCompiledGraph } from "./compile.ts";
import { unknownGraph } from "./definition-nodes.ts";
import { isRecord, quote } from "./json.ts";

/** A graph that the operator mounted, as its module exports it: `default`, or `graph`. */
export async function operatorsGraph(
  name: string,
  path: string,
  { graphModules = new Map() }: Pick<AgentsOptions, "graphModules">,
): Promise<AnyCompiledGraph> {
  const file = graphModules.get(name);
  if (file === undefined) throw unknownGraph(name, [...graphModules.keys()], path);
  const exported = await load(name, file);
  if (isGraph(exported)) return exported;
  throw unusable(name, "its module exports no compiled graph, as `default` or `graph`");
}

async function load(name: string, file: string): Promise<unknown> {
  try {
    const module: { default?: unknown; graph?: unknown } = await import(pathToFileURL(file).href);
    const exported = module.default ?? module.graph;
    // A function makes it: that may wait for something.
    return typeof exported === "function" ? await exported() : exported;
  } catch (error) {
    throw unusable(name, error instanceof Error ? error.message : String(error), error);
  }
}

function isGraph(value: unknown): value is AnyCompiledGraph {
  return (
    isRecord(value) && ["invoke", "stream", "withConfig"].every((key) => typeof value[key] === "function")
  );
}

function unusable(name: string, why: string, cause?: unknown): AgentError {
  return new AgentError("graph_unusable", `graph ${quote(name)} cannot be loaded: ${why}`, { cause });
}
