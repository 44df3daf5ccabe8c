import { isRecord, listOf } from "./json.ts";

/** What a completed run hands back. */
export type RunResult = {
  output: unknown;
  status: "completed";
  /** The virtual files and the plan of a deep agent, where it made any. */
  files?: Record<string, unknown>;
  todos?: unknown[];
};

/** The result that a final state holds: the last message is the answer; a state without messages is one itself. */
export function toResult(state: unknown): RunResult {
  if (!isRecord(state)) return { output: state ?? null, status: "completed" };
  const last = listOf(state["messages"]).at(-1);
  const output = isRecord(last) ? contentText(last["content"]) : state;
  const result: RunResult = { output, status: "completed" };
  const { files, todos } = state;
  if (isRecord(files) && Object.keys(files).length > 0) result.files = files;
  if (listOf(todos).length > 0) result.todos = listOf(todos);
  return result;
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
