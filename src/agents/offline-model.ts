import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AIMessage, AIMessageChunk, type BaseMessage } from "@langchain/core/messages";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import type { ScriptedResponse } from "./definition.ts";
import { modelError } from "./model-errors.ts";

export type Answer = Exclude<ScriptedResponse, string>;

/** A model without a network that behaves as one with: it streams, counts tokens, calls tools, fails. */
export abstract class OfflineModel extends BaseChatModel {
  constructor() {
    super({ outputVersion: "v0" });
  }

  abstract answer(messages: BaseMessage[]): Answer;

  /** It knows what it will call without being told of the tools. */
  override bindTools(): this {
    return this;
  }

  async _generate(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<ChatResult> {
    const answer = await this.#answerInTime(messages, options.signal);
    const content = answer.content ?? "";
    const message = new AIMessage(
      withUsage({ content, tool_calls: toolCalls(answer, messages) }, messages, answer),
    );
    return { generations: [{ text: content, message }] };
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const answer = await this.#answerInTime(messages, options.signal);
    for (const token of tokensOf(answer.content ?? "")) {
      const chunk = new ChatGenerationChunk({ text: token, message: new AIMessageChunk({ content: token }) });
      yield chunk;
      await runManager?.handleLLMNewToken(token, undefined, undefined, undefined, undefined, { chunk });
    }
    yield lastChunk(answer, messages);
  }

  async #answerInTime(messages: BaseMessage[], signal: AbortSignal | undefined): Promise<Answer> {
    const answer = this.answer(messages);
    if (answer.delay_ms) await delay(answer.delay_ms, undefined, signal ? { signal } : {});
    signal?.throwIfAborted();
    if (answer.error !== undefined) throw modelError(answer.error.status, answer.error.message ?? "");
    return answer;
  }
}

function lastChunk(answer: Answer, messages: BaseMessage[]): ChatGenerationChunk {
  const calls = toolCalls(answer, messages).map(({ name, args, id }, index) => ({
    type: "tool_call_chunk" as const,
    name,
    args: JSON.stringify(args),
    id,
    index,
  }));
  const message = new AIMessageChunk(withUsage({ content: "", tool_call_chunks: calls }, messages, answer));
  return new ChatGenerationChunk({ text: "", message });
}

/** Ids that are the same when the call is made again, and others at every other place of a thread. */
function toolCalls(answer: Answer, messages: BaseMessage[]) {
  const place = JSON.stringify(messages.map((message) => [message.getType(), message.text]));
  const prefix = createHash("sha256").update(place).digest("hex").slice(0, 12);
  return (answer.tool_calls ?? []).map(({ name, args = {} }, i) => ({
    type: "tool_call" as const,
    name,
    args,
    id: `call_${prefix}_${i}`,
  }));
}

/**
 * About four characters a token: nobody bills by it, but limits and metrics have something to count.
 * The types of the messages know no usage, although their constructors take it.
 */
function withUsage<F extends object>(fields: F, messages: BaseMessage[], answer: Answer): F {
  const calls = (answer.tool_calls ?? []).map((call) => JSON.stringify(call));
  const input = tokens(messages.reduce((sum, message) => sum + message.text.length, 0));
  const output = tokens((answer.content ?? "").length + calls.join("").length);
  const usage_metadata = { input_tokens: input, output_tokens: output, total_tokens: input + output };
  return { ...fields, usage_metadata };
}

const tokens = (characters: number): number => Math.ceil(characters / 4);

/** Words with the space before them; put together they are the text again. */
function tokensOf(text: string): string[] {
  return text.match(/\s*\S+|\s+/g) ?? [];
}
