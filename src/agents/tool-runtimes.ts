import { type Static, Type } from "typebox";
import { BUILTIN_NAMES, MEMORY_SCOPES } from "./builtin-names.ts";
import { strict } from "./schema-parts.ts";

export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

const filled = "`{argument}` stands for an argument of the call.";
const kind = <const T extends string>(type: T, description: string) => Type.Enum([type], { description });

/** What stands in the place of a text that nobody may read. */
export const SecretReference = Type.Object(
  {
    $secret: Type.String({
      description: "`tools/<path>#<key>`, below the operator's folder of secrets.",
      pattern: "^tools(/[\\w-][\\w.-]*)+#[\\w.-]+$",
      maxLength: 300,
    }),
    prefix: Type.Optional(
      Type.String({ description: "What stands before it, like `Bearer `.", maxLength: 100 }),
    ),
  },
  { ...strict, description: "A secret of the operator's, by its name." },
);

const Http = Type.Object(
  {
    type: kind("http", "A request to an HTTP server."),
    method: Type.Enum(METHODS, { description: "Method of the request." }),
    url: Type.String({
      description: `Absolute http or https URL. ${filled} It may stand in the path and in the query.`,
      minLength: 1,
      maxLength: 4096,
    }),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.String(), SecretReference]), {
        description: `Headers of the request. ${filled} A header may be a secret, by reference.`,
      }),
    ),
    query: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
        description: `Query parameters. ${filled} A list makes the parameter appear once for each item.`,
      }),
    ),
    body: Type.Optional(
      Type.Unknown({
        description: `Body, as JSON, or as text if it is a text. ${filled} A text that is nothing else becomes the argument's JSON value.`,
      }),
    ),
  },
  strict,
);

const JavaScript = Type.Object(
  {
    type: kind("javascript", "A script in a sandbox: no network, no files, no timers."),
    script: Type.Optional(
      Type.String({
        description: "One function: `export default async (args, ctx) => value`.",
        minLength: 1,
        maxLength: 262_144,
      }),
    ),
  },
  strict,
);

const Mcp = Type.Object(
  {
    type: kind("mcp", "Tools of an MCP server that the operator lists in `MCP_SERVERS`."),
    server: Type.String({ description: "Name of the server.", pattern: "^[\\w-]{1,64}$" }),
    tool: Type.Optional(
      Type.String({
        description: "One tool of it; default all, each as `<name>_<its own name>`.",
        minLength: 1,
        maxLength: 256,
      }),
    ),
  },
  strict,
);

const Builtin = Type.Object(
  {
    type: kind("builtin", "A tool that the service brings along."),
    name: Type.Optional(
      Type.Enum(BUILTIN_NAMES, { description: "Which one; default the one that is named like the tool." }),
    ),
    methods: Type.Optional(
      Type.Array(Type.Enum(METHODS), {
        description: "For `http_request`: what the model may choose from; default GET alone.",
        minItems: 1,
        uniqueItems: true,
      }),
    ),
    scope: Type.Optional(
      Type.Enum(MEMORY_SCOPES, {
        description: "For memory: of this job (default), or of all jobs of the job's owner.",
      }),
    ),
  },
  strict,
);

const Module = Type.Object(
  {
    type: kind("module", "A function of a module that the operator lists in `TOOL_MODULES`."),
    name: Type.Optional(
      Type.String({ description: "Name in that list; default the tool's.", pattern: "^[\\w-]{1,64}$" }),
    ),
  },
  strict,
);

const Python = Type.Object(
  {
    type: kind("python", "A Python script; refused while there are no Python engines."),
    script: Type.Optional(Type.String({ description: "The script." })),
  },
  strict,
);

export const runtimesByType = {
  http: Http,
  javascript: JavaScript,
  mcp: Mcp,
  builtin: Builtin,
  module: Module,
  python: Python,
};
type SentRuntime = Static<(typeof runtimesByType)[keyof typeof runtimesByType]>;

/** By `if` and `then`, not as a union: what is said of a runtime is said of the one kind that was meant. */
export const Runtime = Type.Unsafe<SentRuntime>({
  type: "object",
  description: "What the tool is, and how it runs.",
  required: ["type"],
  properties: { type: { enum: Object.keys(runtimesByType), description: "What the tool is." } },
  allOf: Object.entries(runtimesByType).map(([type, then]) => ({
    if: { properties: { type: { const: type } } },
    then,
  })),
});
