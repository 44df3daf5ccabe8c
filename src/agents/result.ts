import type { AgentDefinition } from "./definition.ts";
import { isRecord, listOf } from "./json.ts";
import { initialValue } from "./state-schema.ts";

/** What a completed run hands back. */
export type RunResult = {
  output: unknown;
  status: "completed";
  /** The virtual files and the plan of a deep agent, where it made any. */
  files?: Record<string, unknown>;
  todos?: unknown[];
  /** The answer of a node with an output schema. */
  structured?: Record<string, unknown>;
  /** The declared channels. */
  state?: Record<string, unknown>;
};

type Expectations = Pick<AgentDefinition, "shape" | "channels">;
const PLAIN: Expectations = { shape: "agent", channels: [] };

/**
 * The result that a final state holds: an answer with a schema, or the last message. A pipeline that
 * said nothing in the conversation answers with its state, and so does a graph without messages.
 */
export function toResult(state: unknown, { shape, channels }: Expectations = PLAIN): RunResult {
  if (!isRecord(state)) return { output: state ?? null, status: "completed" };
  const declared = Object.fromEntries(
    channels.map((channel) => [channel.name, state[channel.name] ?? initialValue(channel)] as const),
  );
  const { files, todos, structuredResponse } = state;
  const last = listOf(state["messages"]).at(-1);
  const saidNothing = shape === "pipeline" && (!isRecord(last) || isHuman(last));
  const said = isRecord(last) ? contentText(last["content"]) : state;
  const structured = isRecord(structuredResponse) ? structuredResponse : undefined;
  return {
    output: structured ?? (saidNothing ? declared : said),
    status: "completed",
    ...(structured && { structured }),
    ...(isRecord(files) && Object.keys(files).length > 0 && { files }),
    ...(listOf(todos).length > 0 && { todos: listOf(todos) }),
    ...(channels.length > 0 && { state: declared }),
  };
}

function isHuman(message: Record<string, unknown>): boolean {
  const { getType } = message;
  return typeof getType === "function" && getType.call(message) === "human";
}

/** The text of a message; parts that are no text (calls, reasoning, images) are not part of an answer. */
function contentText(content: unknown): unknown {
  if (!Array.isArray(content)) return content ?? null;
  return content
    .map((part: unknown) => {
      if (typeof part === "string") return part;
      return isRecord(part) && part["type"] === "text" && typeof part["text"] === "string"
        ? part["text"]
        : "";
    })
    .join("");
}
