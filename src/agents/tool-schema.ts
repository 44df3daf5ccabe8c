import { Type } from "typebox";
import { ToolApproval } from "./approval-rule.ts";
import { strict } from "./schema-parts.ts";

export const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

const filled = "`{argument}` stands for an argument of the call.";

const HttpRuntime = Type.Object(
  {
    type: Type.Enum(["http"], { description: "What the tool is: a request to an HTTP server." }),
    method: Type.Enum(METHODS, { description: "Method of the request." }),
    url: Type.String({
      description: `Absolute http or https URL. ${filled} It may stand in the path and in the query.`,
      minLength: 1,
      maxLength: 4096,
    }),
    headers: Type.Optional(
      Type.Record(Type.String(), Type.String(), { description: `Headers of the request. ${filled}` }),
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
  { ...strict, description: "How the tool runs." },
);

const Retry = Type.Object(
  {
    attempts: Type.Integer({ description: "Requests in all, the first included.", minimum: 1, maximum: 10 }),
    wait_seconds: Type.Optional(
      Type.Number({
        description: "Wait before the second; it doubles each time, up to 30 s.",
        minimum: 0,
        maximum: 30,
        default: 1,
      }),
    ),
  },
  {
    ...strict,
    description:
      "Sends a request again that failed for a passing reason (network, 429, 5xx): with effect `read`, or when it is known that nothing was sent.",
  },
);

/** One entry of `tool_definitions`. */
export const Tool = Type.Object(
  {
    name: Type.String({
      description: "Name, for nodes and for the model.",
      pattern: "^[a-zA-Z][a-zA-Z0-9_-]{0,63}$",
    }),
    description: Type.Optional(
      Type.String({ description: "What it does and when to use it: the model reads this." }),
    ),
    input_schema: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "JSON Schema of the arguments, an object; default: none.",
      }),
    ),
    runtime: HttpRuntime,
    effect: Type.Optional(
      Type.Enum(["read", "write"], {
        description: "Whether a call changes anything; default `read` for GET, else `write`.",
      }),
    ),
    on_unknown: Type.Optional(
      Type.Enum(["retry", "ask", "fail"], {
        description:
          "For `write`: what happens when a crash hides whether a call took effect. `retry` sends it again with the same Idempotency-Key, `ask` waits for a person, `fail` (default) ends the run.",
      }),
    ),
    timeout_seconds: Type.Optional(
      Type.Number({
        description: "Time for one request, connecting and answer included.",
        exclusiveMinimum: 0,
        maximum: 300,
        default: 30,
      }),
    ),
    retry: Type.Optional(Retry),
    approval: Type.Optional(ToolApproval),
  },
  strict,
);
