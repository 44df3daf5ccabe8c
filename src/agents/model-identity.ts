import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { withinCall } from "../observability/call-places.ts";
import type { ModelDefinition } from "./definition.ts";

type Manager = { runId?: string } | undefined;
/** The two ways in which LangChain asks a model, which callers do not see, and the way to another one. */
type Asked = {
  withConfig(config: unknown): object;
  _generate(messages: unknown, options: unknown, manager: Manager): Promise<unknown>;
  _streamResponseChunks(messages: unknown, options: unknown, manager: Manager): AsyncGenerator<unknown>;
};

/**
 * Names the model to whoever watches its calls, as the definition names it, and sends its requests
 * from inside the call they belong to.
 */
export function identified<M extends BaseChatModel>(model: M, definition: ModelDefinition): M {
  model.metadata = { model_provider: definition.provider, model_name: definition.model_name ?? "" };
  if (definition.provider !== "openai" && definition.provider !== "anthropic") return model;
  const asked = model as unknown as Asked;
  const withConfig = asked.withConfig.bind(model);
  // OpenAI's client makes a new model of its fields whenever tools are bound to it.
  asked.withConfig = (config) => {
    const configured = withConfig(config);
    return "_generate" in configured ? identified(configured as BaseChatModel, definition) : configured;
  };
  const generate = asked._generate.bind(model);
  const stream = asked._streamResponseChunks.bind(model);
  asked._generate = (messages, options, manager) =>
    withinCall(manager?.runId, () => generate(messages, options, manager));
  asked._streamResponseChunks = async function* (messages, options, manager) {
    const chunks = stream(messages, options, manager);
    try {
      for (;;) {
        const { done, value } = await withinCall(manager?.runId, () => chunks.next());
        if (done) return value;
        yield value;
      }
    } finally {
      await chunks.return(undefined); // who stops reading ends the request
    }
  };
  return model;
}
