import { places } from "./call-places.ts";
import { type CallNames, callAttributes, type ModelResult, resultAttributes, tokensOf } from "./genai.ts";
import { type Ending, modelMetrics, nodeMetrics, toolMetrics } from "./metrics.ts";
import { type Price, priceOf } from "./prices.ts";
import {
  type Attributes,
  type Context,
  contextOf,
  failSpan,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  startSpan,
  tracing,
} from "./spans.ts";

/** Counts what a run uses; called before anything is measured here. */
export type Counter = {
  handleLLMEnd(result: ModelResult): void;
  handleToolStart(): void;
  /** The call that was counted asks a person first: it is made, and counted, after the answer. */
  askedInstead(): void;
  /** What a call cost; undefined where the operator's table has no price for it. */
  addCost(usd: number | undefined): void;
};

type Metadata = Readonly<Record<string, unknown>>;
type Call = { kind: "node" | "tool" | "chat"; label: string; startedAt: number; span: Span | undefined };

/**
 * What happens in one attempt of a run, as figures and spans. All of it hangs on one handler: each
 * further one costs every step of the graph.
 */
export class RunWatch {
  readonly #calls = new Map<string, Call>();
  readonly #ids = new Set<string>();
  readonly #root: Context;
  readonly #counter: Counter;
  readonly #prices: ReadonlyMap<string, Price> | undefined;

  constructor(counter: Counter, root: Context, prices?: ReadonlyMap<string, Price>) {
    this.#counter = counter;
    this.#root = root;
    this.#prices = prices;
  }

  /** For LangChain's `callbacks`: plain methods, so that nothing of it need be imported here. */
  readonly callbacks = {
    // Awaited: in the background the last call could be counted after the run was settled.
    awaitHandlers: true,
    handleChainStart: (
      _chain: unknown,
      _input: unknown,
      id: string,
      parent?: string,
      tags: readonly string[] = [],
      metadata: Metadata = {},
      _type?: unknown,
      name = "",
    ): void => {
      // LangGraph tags what it runs as a node; all else only passes its place on to what is inside.
      if (tags.includes("langsmith:hidden") || !tags.some((tag) => tag.startsWith("graph:step:"))) {
        if (tracing.isOn) this.#remember(id, this.#placeOf(parent));
        return;
      }
      const label = nodeKind(name, metadata);
      const attributes = { "agent_executor.node": name.slice(0, 100), "agent_executor.node_kind": label };
      this.#begin(id, parent, { kind: "node", label }, `node ${name.slice(0, 100)}`, attributes);
    },
    handleChainEnd: (_output: unknown, id: string): void => this.#end(id, "ok"),
    handleChainError: (error: unknown, id: string): void => this.#end(id, endingOf(error), error),
    handleToolStart: (
      _tool: unknown,
      _input: unknown,
      id: string,
      parent?: string,
      _tags?: unknown,
      metadata: Metadata = {},
      name = "",
      callId?: string,
    ): void => {
      this.#counter.handleToolStart();
      const label = String(metadata["tool_kind"] ?? (name === "task" ? "delegate" : "other"));
      this.#begin(id, parent, { kind: "tool", label }, `execute_tool ${name}`, {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": "function",
        ...(callId !== undefined && { "gen_ai.tool.call.id": callId.slice(0, 100) }),
      });
    },
    handleToolEnd: (output: unknown, id: string): void =>
      this.#end(id, toldFailure(output) ? "failed" : "ok"),
    handleToolError: (error: unknown, id: string): void => this.#end(id, endingOf(error), error),
    handleChatModelStart: (
      _model: unknown,
      _messages: unknown,
      id: string,
      parent?: string,
      _params?: unknown,
      _tags?: unknown,
      metadata: Metadata = {},
    ): void => {
      const { provider, model } = namesOf(metadata);
      const attributes = callAttributes({ provider, model });
      this.#begin(id, parent, { kind: "chat", label: `${provider}/${model}` }, `chat ${model}`, attributes);
    },
    handleLLMEnd: (result: ModelResult, id: string): void => {
      const call = this.#calls.get(id);
      this.#counter.handleLLMEnd(result);
      this.#price(call?.label ?? "", result);
      call?.span?.setAttributes(resultAttributes(result));
      this.#end(id, "ok");
    },
    handleLLMError: (error: unknown, id: string): void => this.#end(id, endingOf(error), error),
  };

  /** Calls that were cut off say nothing more: their spans end with the attempt. */
  stop(): void {
    for (const id of [...this.#calls.keys()]) this.#end(id, "aborted");
    for (const id of this.#ids) places.delete(id);
  }

  #price(label: string, result: ModelResult): void {
    if (this.#prices === undefined) return;
    const [provider = ""] = label.split("/", 1);
    const usd = priceOf(this.#prices.get(label), tokensOf(result));
    modelMetrics.cost(provider, usd);
    this.#counter.addCost(usd);
  }

  #begin(
    id: string,
    parent: string | undefined,
    call: Pick<Call, "kind" | "label">,
    name: string,
    attributes: Attributes,
  ): void {
    const kind = call.kind === "chat" ? SpanKind.CLIENT : SpanKind.INTERNAL;
    const span = tracing.isOn
      ? startSpan(name, { kind, attributes, parent: this.#placeOf(parent) })
      : undefined;
    if (span !== undefined) this.#remember(id, contextOf(span));
    this.#calls.set(id, { ...call, startedAt: performance.now(), span });
  }

  #end(id: string, ending: Ending, error?: unknown): void {
    if (this.#ids.delete(id)) places.delete(id);
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#calls.delete(id);
    const { kind, label, span, startedAt } = call;
    if (kind === "node") nodeMetrics.ended(label, (performance.now() - startedAt) / 1000);
    if (kind === "tool") toolMetrics.called(label, ending);
    if (kind === "tool" && ending === "interrupted") this.#counter.askedInstead();
    if (ending !== "ok") span?.setAttribute("agent_executor.outcome", ending);
    if (span !== undefined && error !== undefined && ending === "failed") failSpan(span, error);
    span?.end();
  }

  #placeOf(parent: string | undefined): Context {
    return (parent === undefined ? undefined : places.get(parent)) ?? this.#root;
  }

  #remember(id: string, place: Context): void {
    if (!tracing.isOn && place === ROOT_CONTEXT) return;
    this.#ids.add(id);
    places.set(id, place);
  }
}

function nodeKind(name: string, metadata: Metadata): string {
  const said = metadata["node_kind"];
  if (name === "model_request") return "model";
  if (name === "tools") return "tools";
  if (/\.(before|after)_(agent|model)$/.test(name)) return "middleware";
  return typeof said === "string" ? said : "other";
}

function namesOf(metadata: Metadata): CallNames {
  // The first two are ours; a graph of the operator brings its own models.
  const { model_provider, model_name, ls_provider, ls_model_name } = metadata;
  const text = (value: unknown) => String(value ?? "").slice(0, 100);
  return { provider: text(model_provider ?? ls_provider), model: text(model_name ?? ls_model_name) };
}

/** A failure that the model is told of is no error to LangChain. */
function toldFailure(output: unknown): boolean {
  return typeof output === "object" && output !== null && "status" in output && output.status === "error";
}

const STOPPED = new Set(["lease_lost", "shutting_down", "limit_exceeded", "ABORT_ERR"]);

/** A question to a person is thrown, and so is the end of a run that someone wants stopped. */
function endingOf(error: unknown): Ending {
  if (!(error instanceof Error)) return "failed";
  if (/^(GraphInterrupt|NodeInterrupt|ParentCommand)$/.test(error.name)) return "interrupted";
  const isStopped = error.name === "AbortError" || error.constructor.name === "Cancelled";
  return isStopped || ("code" in error && STOPPED.has(String(error.code))) ? "aborted" : "failed";
}
