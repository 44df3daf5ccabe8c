import { AIMessage, type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { messageName } from "./agent-parts.ts";
import { FROM_NODE } from "./node-mark.ts";
import { type State, sharedState } from "./pipeline-state.ts";
import type { Channel } from "./state-schema.ts";

/**
 * The shared state as one node is shown it: its own messages as they are, what other nodes said as a
 * user's message with the name before it. A model that saw their answers as its own would go on in
 * their voice, and some providers refuse a conversation that ends in one.
 */
export function viewOf(
  state: State,
  { name, reads }: { name: string; reads: readonly string[] },
  channels: readonly Channel[],
): BaseMessage[] {
  const conversation = reads.includes("messages") ? seenBy(messageName(name), state.messages) : [];
  const shown = sharedState(state, channels);
  const named = reads.filter((each) => each !== "messages");
  if (named.length === 0) return conversation;
  const content = named.map((each) => `${each}:\n${asText(shown[each])}`).join("\n\n");
  return [...conversation, new HumanMessage({ content, additional_kwargs: { [FROM_NODE]: "state" } })];
}

function seenBy(own: string, messages: readonly BaseMessage[]): BaseMessage[] {
  const ownCalls = new Set<string | undefined>();
  return messages.flatMap((message) => {
    if (ToolMessage.isInstance(message)) return ownCalls.has(message.tool_call_id) ? [message] : [];
    if (!AIMessage.isInstance(message) || message.name === undefined) return [message];
    if (message.name === own) {
      for (const { id } of message.tool_calls ?? []) ownCalls.add(id);
      return [message];
    }
    if (message.text === "") return [];
    const content = `${message.name}: ${message.text}`;
    return [new HumanMessage({ content, additional_kwargs: { [FROM_NODE]: message.name } })];
  });
}

export function asText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "null");
}
