import { Type } from "typebox";
import { terms } from "./approval-rule.ts";
import { Model } from "./model-schema.ts";
import { OutputSchema } from "./output-schema.ts";
import { strict, text } from "./schema-parts.ts";
import { StateSchema } from "./state-schema.ts";
import { Tool } from "./tool-schema.ts";

export const NODE_TYPES = [
  ...["orchestrator", "agent", "specialist"],
  ...["router", "tool", "approval", "graph", "python"],
] as const;

const expression = (description: string) => Type.String({ description, minLength: 1, maxLength: 2000 });

const NodeApproval = Type.Object(
  {
    when: Type.Optional(
      expression("CEL over `state` and `input`: asked only where it is true; otherwise the node lets pass."),
    ),
    ...terms,
  },
  { ...strict, description: "Of an `approval` node: how the person is asked." },
);

const channelNames = (description: string) =>
  Type.Optional(Type.Array(Type.String(), { description, maxItems: 100 }));

const settings = {
  name: Type.Optional(text("Name of the node; default its id.")),
  description: Type.Optional(
    Type.String({ description: "What the node is for: an orchestrator chooses its specialists by it." }),
  ),
  model: Type.Optional(Model),
  system_prompt: Type.Optional(Type.String({ description: "Instructions to the model." })),
  tools: Type.Optional(Type.Array(Type.String(), { description: "Tools of the node, by name." })),
  state_schema: Type.Optional(StateSchema),
  output_schema: Type.Optional(OutputSchema),
  reads: channelNames("Channels that the node of a pipeline is shown; default `messages`."),
  writes: channelNames("Channels that it writes its answer to; default `messages`."),
  tool: Type.Optional(text("Of a `tool` node: the tool that it calls.")),
  args: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), {
      description: "Of a `tool` node: the arguments. `{channel}` stands for what the channel holds.",
    }),
  ),
  approval: Type.Optional(NodeApproval),
  show: channelNames("Of an `approval` node: channels that the person is shown."),
  graph: Type.Optional(text("Of a `graph` node: the operator's graph that it runs.")),
};

export const Node = Type.Object(
  {
    id: Type.Optional(text("Identifier for edges.")),
    type: Type.Optional(
      Type.Enum(NODE_TYPES, {
        description:
          "`orchestrator` is a deep agent (plan, files, sub-agents), `agent` and `specialist` a plain one. `router` lets a model choose an edge, `tool` calls a tool, `approval` asks a person, `graph` runs the operator's graph.",
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
      { required: ["type"], properties: { type: { enum: ["tool", "approval", "graph", "python"] } } },
    ],
  },
);

export const Edge = Type.Object(
  {
    from: text("Id or name of a node, or START."),
    to: text("Id or name of a node, or END."),
    when: Type.Optional(
      expression(
        "From a `router` the label that it must have picked, else a CEL expression over `state` and `input`.",
      ),
    ),
  },
  strict,
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
    nodes: Type.Optional(
      Type.Array(Node, { description: "The nodes of the graph.", minItems: 1, maxItems: 100 }),
    ),
    edges: Type.Optional(
      Type.Array(Edge, {
        description:
          "With an orchestrator: who may delegate to whom; without edges it may delegate to all. Else the ways through a pipeline.",
        maxItems: 1000,
      }),
    ),
    state_schema: Type.Optional(StateSchema),
    graph: Type.Optional(text("A graph of the operator's, run as it is, instead of nodes.")),
    limits: Type.Optional(Limits),
  },
  { ...strict, anyOf: [{ required: ["nodes"] }, { required: ["graph"] }] },
);
