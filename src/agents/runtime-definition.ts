import type { Static } from "typebox";
import { didYouMean } from "../errors/near-miss.ts";
import { BUILTIN_NAMES, type BuiltinName, type MemoryScope } from "./builtin-names.ts";
import { type About, aboutBuiltin } from "./builtins.ts";
import { invalid } from "./definition-problem.ts";
import { readHttp } from "./http-definition.ts";
import type { HttpTemplate } from "./http-request.ts";
import { schemaForModel } from "./input-schema.ts";
import { below, quote } from "./json.ts";
import type { Runtime } from "./tool-runtimes.ts";
import type { Tool } from "./tool-schema.ts";

type SentRuntime = Static<typeof Runtime>;
type SentTool = Static<typeof Tool>;
type Sent<T extends SentRuntime["type"]> = Extract<SentRuntime, { type: T }>;

/** `runtime` in one spelling, with every default in its place. */
export type ToolRuntime =
  | ({ type: "http" } & HttpTemplate)
  | { type: "javascript"; script: string }
  | { type: "mcp"; server: string; tool: string | undefined }
  | { type: "builtin"; name: BuiltinName; methods: readonly string[]; scope: MemoryScope }
  | { type: "module"; name: string };

/** What a tool says of itself, where the author does not have to. */
type Read = { runtime: ToolRuntime; about?: About };

export function isReadByDefault(runtime: ToolRuntime): boolean {
  switch (runtime.type) {
    case "http":
      return runtime.method === "GET";
    case "javascript":
      return true;
    case "builtin":
      return runtime.methods.every((method) => method === "GET");
    default:
      return false;
  }
}

export function readRuntime(sent: SentTool, path: string): Read {
  const { runtime, input_schema = {} } = sent;
  const at = below(path, "runtime");
  if (sent.script !== undefined && runtime.type !== "javascript") {
    throw invalid(`a tool of type ${quote(runtime.type)} has no script`, below(path, "script"));
  }
  switch (runtime.type) {
    case "http":
      return { runtime: { type: "http", ...readHttp(runtime, at, schemaForModel(input_schema)) } };
    case "javascript":
      return { runtime: readScript(runtime, sent.script, at) };
    case "mcp":
      return { runtime: readMcp(runtime, sent, path) };
    case "builtin":
      return readBuiltin(runtime, sent, path);
    case "module":
      return { runtime: { type: "module", name: runtime.name ?? sent.name } };
    case "python":
      throw invalid("there are no Python engines", below(at, "type")); // refused before, in not-yet.ts
  }
}

function readScript(runtime: Sent<"javascript">, beside: string | undefined, path: string): ToolRuntime {
  const script = runtime.script ?? beside;
  if (script === undefined) throw invalid('"script" is missing', below(path, "script"));
  if (beside !== undefined && script !== beside) {
    throw invalid("script stands beside runtime and in it, and they differ: send one", below(path, "script"));
  }
  return { type: "javascript", script };
}

function readMcp({ server, tool }: Sent<"mcp">, sent: SentTool, path: string): ToolRuntime {
  const ofOne = ["input_schema", "description", "inject"] as const;
  const given = tool === undefined ? ofOne.find((key) => sent[key] !== undefined) : undefined;
  if (given !== undefined) {
    throw invalid(`${given} is for one tool; name it as runtime.tool`, below(path, given));
  }
  return { type: "mcp", server, tool };
}

function readBuiltin(runtime: Sent<"builtin">, sent: SentTool, path: string): Read {
  const at = below(path, "runtime");
  const name = runtime.name ?? BUILTIN_NAMES.find((each) => each === sent.name);
  if (name === undefined) {
    const hint = didYouMean(sent.name, BUILTIN_NAMES) || `; there are ${BUILTIN_NAMES.join(", ")}`;
    throw invalid(`${quote(sent.name)} is no builtin: name one as runtime.name${hint}`, below(at, "name"));
  }
  for (const key of ["input_schema", "inject"] as const) {
    if (sent[key] !== undefined) throw invalid("a builtin brings its own", below(path, key));
  }
  if (runtime.methods !== undefined && name !== "http_request") {
    throw invalid("methods are for http_request", below(at, "methods"));
  }
  if (runtime.scope !== undefined && !name.startsWith("memory_")) {
    throw invalid("a scope is for memory", below(at, "scope"));
  }
  const methods = runtime.methods ?? ["GET"];
  return {
    runtime: { type: "builtin", name, methods, scope: runtime.scope ?? "job" },
    about: aboutBuiltin(name, methods),
  };
}
