import type { BaseMessage } from "@langchain/core/messages";
import { type Answer, OfflineModel } from "./offline-model.ts";

/** Answers with the text of the last human message, exactly: the shortest way to see a run go through. */
export class EchoModel extends OfflineModel {
  _llmType(): string {
    return "echo";
  }

  answer(messages: BaseMessage[]): Answer {
    const last = messages.findLast((message) => message.getType() === "human");
    return { content: last?.text ?? "" };
  }
}
