import type { BaseMessage } from "@langchain/core/messages";
import type { ScriptedResponse } from "./definition.ts";
import { FROM_NODE } from "./node-mark.ts";
import { type Answer, OfflineModel } from "./offline-model.ts";

/** Answers what the definition says, one response a model call of the turn; the last repeats. */
export class ScriptedModel extends OfflineModel {
  readonly #responses: readonly ScriptedResponse[];

  constructor(responses: readonly ScriptedResponse[]) {
    super();
    this.#responses = responses;
  }

  _llmType(): string {
    return "scripted";
  }

  /** Counted from the messages, not in a field: a run that another process resumes goes on where it was. */
  answer(messages: BaseMessage[]): Answer {
    const input = messages.findLastIndex(
      (message) => message.getType() === "human" && message.additional_kwargs[FROM_NODE] === undefined,
    );
    const given = messages.slice(input + 1).filter((message) => message.getType() === "ai").length;
    const response = this.#responses[given] ?? this.#responses.at(-1) ?? "";
    return typeof response === "string" ? { content: response } : response;
  }
}
