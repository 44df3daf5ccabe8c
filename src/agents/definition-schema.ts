import { Type } from "typebox";
import { strict, text } from "./schema-parts.ts";
import { Tool } from "./tool-schema.ts";

export const PROVIDERS = ["openai", "anthropic", "scripted", "echo"] as const;
export const NODE_TYPES = ["orchestrator", "agent", "specialist"] as const;

const isProvider = (...providers: string[]) => ({
  required: ["provider"],
  properties: { provider: { enum: providers } },
});

const ScriptedToolCall = Type.Object(
  {
    name: text("Tool to call."),
    args: Type.Optional(
      Type.Record(Type.String(), Type.Unknown(), { description: "Its arguments; default {}." }),
    ),
  },
  strict,
);

export const ScriptedAnswer = Type.Object(
  {
    content: Type.Optional(Type.String({ description: "Text of the answer." })),
    tool_calls: Type.Optional(Type.Array(ScriptedToolCall, { description: "Tools that the answer calls." })),
    delay_ms: Type.Optional(
      Type.Number({ description: "Wait before answering.", minimum: 0, maximum: 3_600_000 }),
    ),
    error: Type.Optional(
      Type.Object(
        {
          status: Type.Integer({
            description: "HTTP status of a failing provider.",
            minimum: 400,
            maximum: 599,
          }),
          message: Type.Optional(Type.String({ description: "What the provider says." })),
        },
        { ...strict, description: "Fails as a provider would that answers with this status." },
      ),
    ),
  },
  strict,
);

export const Model = Type.Object(
  {
    provider: Type.Optional(
      Type.Enum(PROVIDERS, {
        description:
          "Who answers. `openai` also stands for any server that speaks its API (base_url). `scripted` and `echo` need no network.",
        default: "openai",
      }),
    ),
    model_name: Type.Optional(text("Name of the model at the provider.")),
    model: Type.Optional(text("The same as model_name.")),
    temperature: Type.Optional(Type.Number({ description: "Sampling temperature.", minimum: 0, maximum: 2 })),
    max_tokens: Type.Optional(Type.Integer({ description: "Most tokens of one answer.", minimum: 1 })),
    base_url: Type.Optional(
      Type.String({
        description: "Server of the model; must be one that the operator allows.",
        minLength: 1,
        maxLength: 2048,
      }),
    ),
    responses: Type.Optional(
      Type.Array(Type.Union([Type.String(), ScriptedAnswer]), {
        description: "For `scripted`: the answers of a turn, one a model call; the last repeats.",
        minItems: 1,
      }),
    ),
    fallbacks: Type.Optional(Type.Array(Type.Unknown(), { description: "Not run yet: empty.", maxItems: 0 })),
  },
  {
    ...strict,
    description: "The model behind a node.",
    // Only `else`: the validator reports what fails in it, but not what fails in a `then`.
    allOf: [
      { if: { not: isProvider("scripted") }, else: { required: ["responses"] } },
      {
        if: isProvider("scripted", "echo"),
        else: { anyOf: [{ required: ["model_name"] }, { required: ["model"] }] },
      },
    ],
  },
);

const settings = {
  name: Type.Optional(text("Name of the node; default its id.")),
  description: Type.Optional(Type.String({ description: "What the node is for, in a sentence." })),
  model: Type.Optional(Model),
  system_prompt: Type.Optional(Type.String({ description: "Instructions to the model." })),
  tools: Type.Optional(Type.Array(Type.String(), { description: "Tools of the node, by name." })),
};

export const Node = Type.Object(
  {
    id: Type.Optional(text("Identifier for edges.")),
    type: Type.Optional(
      Type.Enum(NODE_TYPES, {
        description:
          "`orchestrator` is a deep agent (plan, files, sub-agents), `agent` and `specialist` a plain one.",
        default: "specialist",
      }),
    ),
    ...settings,
    config: Type.Optional(
      Type.Object(settings, {
        ...strict,
        description: "The same keys one level down; what stands here wins.",
      }),
    ),
  },
  {
    ...strict,
    anyOf: [
      { required: ["model"] },
      { required: ["config"], properties: { config: { required: ["model"] } } },
    ],
  },
);

const most = (description: string, value: number) =>
  Type.Optional(Type.Integer({ description, minimum: 1, default: value }));

export const Limits = Type.Object(
  {
    steps: most("Steps of the graph, sub-agents' included.", 50),
    seconds: Type.Optional(Type.Number({ description: "Running time.", exclusiveMinimum: 0, default: 540 })),
    tokens: most("Tokens in and out, over all model calls.", 200_000),
    tool_calls: most("Calls of tools.", 100),
  },
  { ...strict, description: "What a run may use up; the operator's maximum caps it." },
);

/** The one definition of the definition: type, validator and published schema come from it. */
export const Definition = Type.Object(
  {
    name: Type.Optional(text("Name of the agent, for people.")),
    description: Type.Optional(Type.String({ description: "What the agent is for." })),
    version: Type.Optional(text("Version of the definition, for people.")),
    tool_definitions: Type.Optional(
      Type.Array(Tool, { description: "What nodes may name in `tools`.", maxItems: 128 }),
    ),
    nodes: Type.Array(Node, {
      description: "The nodes of the graph: one, for now.",
      minItems: 1,
      maxItems: 1,
    }),
    edges: Type.Optional(Type.Array(Type.Unknown(), { description: "Not run yet: empty.", maxItems: 0 })),
    limits: Type.Optional(Limits),
  },
  strict,
);
