import type { BaseLanguageModelInput } from "@langchain/core/language_models/base";
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BindToolsInput,
} from "@langchain/core/language_models/chat_models";
import type { AIMessageChunk, BaseMessage } from "@langchain/core/messages";
import type { ChatResult } from "@langchain/core/outputs";
import { type Runnable, RunnableLambda } from "@langchain/core/runnables";

type Options = Partial<BaseChatModelCallOptions>;
type Link = Runnable<BaseLanguageModelInput, AIMessageChunk>;

/** Which of the models is asked, and what is done before and after. */
export type Strategy = <L, T>(
  links: readonly L[],
  ask: (link: L) => Promise<T>,
  signal: AbortSignal | undefined,
) => Promise<T>;

/**
 * One or more models in the shape of one. It is no call of its own to callbacks: each model that is
 * asked tells of itself, so that tokens are counted once and streamed as that model's message.
 */
export class DelegatingModel extends BaseChatModel {
  readonly #models: readonly BaseChatModel[];
  readonly #strategy: Strategy;
  readonly #links: readonly Link[];

  constructor(models: readonly BaseChatModel[], strategy: Strategy, links: readonly Link[] = models) {
    super({});
    this.#models = models;
    this.#strategy = strategy;
    this.#links = links;
  }

  _llmType(): string {
    return "delegating";
  }

  /** Agents treat some providers in their own way, by this name: right only if all models are of one. */
  override getName(): string {
    const [name = "DelegatingModel", ...others] = new Set(this.#models.map((model) => model.getName()));
    return others.length === 0 ? name : "DelegatingModel";
  }

  /** What all of them can: an agent must not send what one of them would refuse. */
  override get profile(): BaseChatModel["profile"] {
    const profiles = this.#models.map((model) => model.profile);
    const sizes = profiles.flatMap(({ maxInputTokens }) => maxInputTokens ?? []);
    return {
      structuredOutput: profiles.every(({ structuredOutput }) => structuredOutput === true),
      ...(sizes.length === profiles.length ? { maxInputTokens: Math.min(...sizes) } : {}),
    };
  }

  override bindTools(tools: BindToolsInput[], options?: Options): DelegatingModel {
    const bound = this.#models.map((model) => model.bindTools?.(tools, options) ?? model);
    return new DelegatingModel(this.#models, this.#strategy, bound as Link[]); // a bound model is still one
  }

  /** Each model has its own way to answer in a shape, so each of them is asked for it. */
  override withStructuredOutput(schema: never, config?: never): never {
    const shaped = this.#models.map((model) => model.withStructuredOutput(schema, config));
    return RunnableLambda.from(
      async (input: BaseLanguageModelInput, options?: Options) =>
        await this.#strategy(shaped, (each) => each.invoke(input, options), options?.signal),
    ) as never; // the overloads of the base differ only in what stands in the answer
  }

  override async invoke(input: BaseLanguageModelInput, options?: Options): Promise<AIMessageChunk> {
    return await this.#strategy(this.#links, (link) => link.invoke(input, options), options?.signal);
  }

  async _generate(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<ChatResult> {
    const message = await this.invoke(messages, options);
    return { generations: [{ text: message.text, message }] };
  }
}
