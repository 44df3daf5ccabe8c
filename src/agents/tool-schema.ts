import { Type } from "typebox";
import { ToolApproval } from "./approval-rule.ts";
import { strict } from "./schema-parts.ts";
import { Runtime } from "./tool-runtimes.ts";

const Retry = Type.Object(
  {
    attempts: Type.Integer({ description: "Tries in all, the first included.", minimum: 1, maximum: 10 }),
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
      "Tries again what failed for a passing reason (network, 429, 5xx, a script or a module that threw): with effect `read`, or when it is known that nothing was sent.",
  },
);

const INJECTED = "^(job_id|run_id|(context|input)(\\.[\\w-]+)+)$";

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
        description:
          "JSON Schema of the arguments, an object; default: none, or the one that an MCP server or a builtin brings.",
      }),
    ),
    runtime: Runtime,
    script: Type.Optional(
      Type.String({ description: "The script of a `javascript` tool, beside `runtime` instead of in it." }),
    ),
    inject: Type.Optional(
      Type.Record(Type.String({ pattern: "^[\\w-]+$" }), Type.String({ pattern: INJECTED }), {
        description:
          "Arguments that the model neither sees nor gives, by where they come from: `job_id`, `run_id`, `context.<key>` or `input.<key>` of the event, further keys after further dots.",
      }),
    ),
    effect: Type.Optional(
      Type.Enum(["read", "write"], {
        description:
          "Whether a call changes anything; default `read` for `javascript`, `builtin` and GET, else `write`.",
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
        description: "Time for one try, connecting and answer included; default 30, for a script 5.",
        exclusiveMinimum: 0,
        maximum: 300,
      }),
    ),
    retry: Type.Optional(Retry),
    approval: Type.Optional(ToolApproval),
  },
  strict,
);
