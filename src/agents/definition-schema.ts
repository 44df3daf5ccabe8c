import { Type } from "typebox";
import { Model } from "./model-schema.ts";
import { strict, text } from "./schema-parts.ts";
import { Tool } from "./tool-schema.ts";

export const NODE_TYPES = ["orchestrator", "agent", "specialist"] as const;

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
