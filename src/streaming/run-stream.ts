import { PieceRedactor } from "../observability/redaction.ts";
import type { FrameLog } from "./frame-log.ts";
import { type FrameType, makeFrame } from "./frames.ts";

type Metadata = Record<string, unknown> | undefined;
type Message = {
  node: string | undefined;
  within: string[] | undefined;
  said: PieceRedactor;
  parts: string[];
  length: number;
  toldLength: number;
  toldAt: number;
};
type ModelResult = { generations: { text?: string }[][] };

/** LangGraph's name of the input. */
const START = "__start__";
/** A message's text so far is told this often at most, */
const CUMULATIVE_EVERY_MS = 100;
/** and only when it has grown by so much: else a long answer would be told over and over. */
const CUMULATIVE_GROWTH = 1.25;

/** The frames of one attempt of a run, made from what LangChain calls back with while it works. */
export class RunStream {
  readonly #log: FrameLog;
  readonly #run: { jobId: string; runId: string; attempt: number };
  readonly #messages = new Map<string, Message>();
  readonly #tools = new Map<string, { tool_name: string; call_id: string }>();
  readonly #nodes = new Map<string, string>();
  /** The step in which an attempt after the first begins. */
  #firstStep: unknown;

  constructor(log: FrameLog, run: { jobId: string; runId: string; attempt: number }) {
    this.#log = log;
    this.#run = run;
  }

  /** For LangChain's `callbacks`. The mark makes models stream; nothing of it need be imported here. */
  readonly callbacks = {
    awaitHandlers: true,
    lc_prefer_streaming: true,
    handleChatModelStart: (
      ...[, , id, , , , metadata]: [unknown, unknown, string, unknown, unknown, unknown, Metadata]
    ): void => {
      const [node, within] = [nodeOf(metadata), withinOf(metadata)];
      const said = new PieceRedactor();
      this.#messages.set(id, { node, within, said, parts: [], length: 0, toldLength: 0, toldAt: 0 });
    },
    handleLLMNewToken: (token: unknown, _place: unknown, id: string): void => {
      const message = this.#messages.get(id);
      if (message && typeof token === "string") this.#token(id, message, message.said.take(token));
    },
    handleLLMEnd: (result: ModelResult, id: string): void => {
      const text = result.generations[0]?.[0]?.text ?? "";
      // Not every model streams: then its answer comes in one piece.
      const message = this.#messages.get(id);
      const isWhole = message?.length === 0 && message.said.isEmpty;
      if (message) this.#token(id, message, (isWhole ? message.said.take(text) : "") + message.said.rest());
      this.#messages.delete(id);
    },
    handleLLMError: (_error: unknown, id: string): void => {
      const message = this.#messages.get(id);
      if (message) this.#token(id, message, message.said.rest());
      this.#messages.delete(id);
    },
    handleToolStart: (
      ...[tool, input, id, , , , name, callId]: [
        { name?: string; id?: string[] },
        string,
        string,
        unknown,
        unknown,
        unknown,
        string?,
        string?,
      ]
    ): void => {
      const call = { tool_name: name ?? tool.name ?? tool.id?.at(-1) ?? "tool", call_id: callId ?? id };
      this.#tools.set(id, call);
      const { tool_name, call_id } = call;
      this.#append("on_tool_start", { tool_name, tool_input: parsed(input), call_id });
    },
    handleToolEnd: (output: unknown, id: string): void => this.#toolEnded(id, contentOf(output)),
    handleToolError: (error: unknown, id: string): void => {
      const said = error instanceof Error ? error.message : String(error);
      // A tool that stops to ask a person has not ended.
      if (error instanceof Error && error.name.startsWith("GraphInterrupt")) this.#tools.delete(id);
      else this.#toolEnded(id, said, true);
    },
    handleChainStart: (
      ...[, , id, , tags, metadata, , name]: [
        unknown,
        unknown,
        string,
        unknown,
        string[] | undefined,
        Metadata,
        unknown,
        string?,
      ]
    ): void => {
      const node = nodeOf(metadata);
      if (node === undefined || name !== node || !tags?.some((tag) => tag.startsWith("graph:step:"))) return;
      this.#nodes.set(id, node);
      this.#restarted(node, metadata);
    },
    handleChainEnd: (output: unknown, id: string): void => {
      const node = this.#nodes.get(id);
      if (node === undefined) return;
      this.#nodes.delete(id);
      this.#append("on_state_update", { node, ...updateOf(output) });
    },
    handleChainError: (_error: unknown, id: string): void => void this.#nodes.delete(id),
  };

  #token(id: string, message: Message, token: string): void {
    if (token === "") return;
    message.parts.push(token);
    message.length += token.length;
    const now = performance.now();
    const isDue =
      now - message.toldAt >= CUMULATIVE_EVERY_MS && message.length >= message.toldLength * CUMULATIVE_GROWTH;
    if (isDue) {
      message.parts = [message.parts.join("")];
      message.toldAt = now;
      message.toldLength = message.length;
    }
    const cumulative_text = isDue ? message.parts[0] : undefined;
    const { node, within } = message;
    this.#append("on_llm_stream", { token, cumulative_text, node, within, message_id: id });
  }

  #toolEnded(id: string, tool_output: unknown, failed?: true): void {
    const call = this.#tools.get(id);
    if (call === undefined) return;
    this.#tools.delete(id);
    const { tool_name, call_id } = call;
    this.#append("on_tool_end", { tool_name, tool_output, call_id, failed });
  }

  /** What an attempt begins with runs anew: readers drop what they have of it. */
  #restarted(node: string, metadata: Metadata): void {
    const { langgraph_step: step, checkpoint_ns: namespace } = metadata ?? {};
    const isInner = String(namespace ?? "").includes("|");
    if (this.#run.attempt === 1 || isInner || node === START) return;
    this.#firstStep ??= step;
    if (this.#firstStep === step) this.#append("on_restart", { node });
  }

  #append(type: FrameType, data: object): void {
    this.#log.append(this.#run.jobId, makeFrame(type, this.#run, data));
  }
}

function nodeOf(metadata: Metadata): string | undefined {
  const node = metadata?.["langgraph_node"];
  return typeof node === "string" ? node : undefined;
}

/** The nodes that lead to a graph inside the graph; nothing where the node is the run's own. */
function withinOf(metadata: Metadata): string[] | undefined {
  const namespace = String(metadata?.["langgraph_checkpoint_ns"] ?? metadata?.["checkpoint_ns"] ?? "");
  const outer = namespace.split("|").slice(0, -1);
  return outer.length === 0 ? undefined : outer.map((part) => part.split(":", 1)[0] ?? part);
}

function parsed(input: string): unknown {
  try {
    return JSON.parse(input);
  } catch {
    return input;
  }
}

/** A tool's output comes as it is, or as the message that it becomes. */
function contentOf(output: unknown): unknown {
  return typeof output === "object" && output !== null && "content" in output ? output.content : output;
}

/** Which channels a node wrote; messages were streamed, of the rest what is made for people is shown. */
function updateOf(output: unknown): object {
  const written = Object.assign({}, ...updatesIn(output)) as { todos?: unknown; files?: unknown };
  return { keys: Object.keys(written), todos: written.todos, files: written.files };
}

/** A node writes an object, or commands that carry one, of which LangChain makes `{output: […]}`. */
function updatesIn(output: unknown): object[] {
  if (Array.isArray(output)) return output.flatMap(updatesIn);
  if (typeof output !== "object" || output === null) return [];
  if ("lg_name" in output) return "update" in output ? updatesIn(output.update) : [];
  const isWrapped = "output" in output && Object.keys(output).length === 1 && Array.isArray(output.output);
  return isWrapped ? updatesIn(output.output) : [output];
}
