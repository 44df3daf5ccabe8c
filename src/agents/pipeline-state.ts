import type { BaseMessage } from "@langchain/core/messages";
import type { RunnableConfig } from "@langchain/core/runnables";
import { Annotation, messagesStateReducer } from "@langchain/langgraph";
import { type Channel, checkedWrite, initialValue, reduce } from "./state-schema.ts";

/** What the nodes of a pipeline share: the conversation, the declared channels, and what we note of a turn. */
export type State = Record<string, unknown> & {
  messages: BaseMessage[];
  /** `input` of the event, for conditions. */
  turn_input: unknown;
  /** What routers picked, by their keys. */
  turn_routes: Record<string, string>;
  /** The newest answer with an output schema. */
  structuredResponse: unknown;
};

export type Update = Record<string, unknown>;
export type Step = (state: State, config: RunnableConfig) => Promise<Update>;

const last = (_before: unknown, written: unknown) => written;

/** `last` is LangGraph's own last value: two nodes that write it in one step are an error, for one would be lost. */
export function pipelineState(channels: readonly Channel[]) {
  const declared = channels.map((channel) => {
    const { name, reducer } = channel;
    const own = {
      reducer: (before: unknown, written: unknown) => reduce(channel, before, written),
      default: () => initialValue(channel),
    };
    return [name, reducer === "last" ? Annotation<unknown> : Annotation<unknown>(own)] as const;
  });
  return Annotation.Root({
    ...Object.fromEntries(declared),
    messages: Annotation<BaseMessage[]>({ reducer: messagesStateReducer as never, default: () => [] }),
    turn_input: Annotation<unknown>({ reducer: last, default: () => null }),
    turn_routes: Annotation<Record<string, string>>({
      reducer: (before: object, written: object | null) =>
        written === null ? {} : { ...before, ...written },
      default: () => ({}),
    } as never),
    structuredResponse: Annotation<unknown>({ reducer: last, default: () => null }),
  });
}

/** The state as conditions and templates see it: every channel is there, messages are plain. */
export function sharedState(state: State, channels: readonly Channel[]): Record<string, unknown> {
  const values = channels.map(
    (channel) => [channel.name, state[channel.name] ?? initialValue(channel)] as const,
  );
  const messages = state.messages.map((message) => ({ role: message.getType(), content: message.text }));
  return { ...Object.fromEntries(values), messages };
}

/** A value for each of these channels, checked. */
export function writesTo(
  node: string,
  names: readonly string[],
  channels: readonly Channel[],
  valueFor: (name: string) => unknown,
): Update {
  const written = channels.filter(({ name }) => names.includes(name));
  return Object.fromEntries(
    written.map((channel) => [channel.name, checkedWrite(node, channel, valueFor(channel.name))] as const),
  );
}
