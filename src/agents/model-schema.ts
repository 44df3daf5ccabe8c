import { Type } from "typebox";
import { strict, text } from "./schema-parts.ts";
import { UNIVERSAL_PROVIDERS } from "./universal-providers.ts";

export const PROVIDERS = ["openai", "anthropic", "scripted", "echo", ...UNIVERSAL_PROVIDERS] as const;
const MAX_FALLBACKS = 5;

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

const settings = {
  provider: Type.Optional(
    Type.Enum(PROVIDERS, {
      description:
        "Who answers. `openai` also stands for any server that speaks its API (base_url). `scripted` and `echo` need no network. The others need their package in the image.",
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
};

const rules = {
  ...strict,
  // Only `else`: the validator reports what fails in it, but not what fails in a `then`.
  allOf: [
    { if: { not: isProvider("scripted") }, else: { required: ["responses"] } },
    {
      if: isProvider("scripted", "echo"),
      else: { anyOf: [{ required: ["model_name"] }, { required: ["model"] }] },
    },
  ],
};

const Fallback = Type.Object(settings, { ...rules, description: "A model that is asked instead." });

export const Model = Type.Object(
  {
    ...settings,
    fallbacks: Type.Optional(
      Type.Array(Fallback, {
        description:
          "Models asked in this order when the one before is away, does not let us in or finds the input too long.",
        maxItems: MAX_FALLBACKS,
      }),
    ),
  },
  { ...rules, description: "The model behind a node." },
);
