import type { CompiledStateGraph, StateSnapshot } from "@langchain/langgraph";
import type { AgentMiddleware } from "langchain";
import { type AgentDefinition, type DefinitionLimits, readDefinition } from "./definition.ts";
import { definitionHash } from "./definition-hash.ts";
import type { EgressOptions } from "./egress.ts";
import type { ModelSettings } from "./endpoints.ts";
import { GraphCache, type GraphCacheOptions } from "./graph-cache.ts";
import { toInput } from "./input.ts";
import { createModel } from "./models.ts";
import { toolsOf } from "./node-tools.ts";
import { type RunResult, toResult } from "./result.ts";
import type { Toolbox } from "./toolbox.ts";

type AnyGraph = CompiledStateGraph<Record<string, unknown>, Record<string, unknown>, string>;
/** Plain objects with some of a handler's methods are callbacks too, which LangGraph's type denies. */
type Config<M extends "invoke" | "stream"> = Omit<NonNullable<Parameters<AnyGraph[M]>[1]>, "callbacks"> & {
  callbacks?: object[];
};

/**
 * A compiled graph without a checkpointer: whoever runs it hands one over for each run, in
 * `configurable.__pregel_checkpointer`. The part of LangGraph's type that is the same for all.
 * The input is a turn's state, a `Command`, or null to go on from the checkpoint.
 */
export type AgentGraph = {
  invoke(input: unknown, config: Config<"invoke">): Promise<Record<string, unknown>>;
  stream(input: unknown, config: Config<"stream">): Promise<AsyncIterable<unknown>>;
  getState(config: Config<"invoke">): Promise<StateSnapshot>;
};

/** A definition, ready to run. Many runs share one, so it holds nothing of any of them. */
export type CompiledAgent = {
  readonly hash: string;
  readonly name: string;
  readonly limits: DefinitionLimits;
  readonly graph: AgentGraph;
  toInput(input: unknown): unknown;
  toResult(state: unknown): RunResult;
};

export type AgentsOptions = {
  settings(): ModelSettings;
  /** What tools may reach beside public addresses; default nothing. */
  egress?: EgressOptions;
  /** What tools share; default one with nothing but that. */
  toolbox?: Toolbox;
  onCache?(result: "hit" | "miss"): void;
  cache?: Partial<GraphCacheOptions>;
};

/** What a graph of each kind holds on to, as measured; a definition adds a few times its own size. */
const RETAINED_BYTES = { agent: 64 * 1024, orchestrator: 320 * 1024 };
const DEFAULT_CACHE: GraphCacheOptions = { maxBytes: 64 * 1024 * 1024, maxEntries: 1000 };

/** Turns definitions into graphs and keeps the graphs that were used last. */
export class Agents {
  readonly #options: AgentsOptions;
  readonly #cache: GraphCache<CompiledAgent>;

  constructor(options: AgentsOptions) {
    this.#options = options;
    this.#cache = new GraphCache({ ...DEFAULT_CACHE, ...options.cache });
  }

  /** The agent of a definition, or of the hash of one that is only loaded if it must be compiled. */
  compile(hash: string, load: () => Promise<unknown>): Promise<CompiledAgent>;
  compile(body: unknown, hash?: string): Promise<CompiledAgent>;
  async compile(first: unknown, second?: string | (() => Promise<unknown>)): Promise<CompiledAgent> {
    if (typeof second === "function") return await this.#get(String(first), second);
    return await this.#get(second ?? definitionHash(first), async () => first);
  }

  async #get(hash: string, load: () => Promise<unknown>): Promise<CompiledAgent> {
    // Where requests may go is fixed in a graph; the keys are not, they are asked for call by call.
    const { providers, allowedBaseUrls, offlineModels } = this.#options.settings();
    const places = [providers.openai.baseUrl, providers.anthropic.baseUrl, allowedBaseUrls, offlineModels];
    const key = `${hash} ${JSON.stringify(places)}`;
    this.#options.onCache?.(this.#cache.has(key) ? "hit" : "miss");
    return await this.#cache.get(key, async () => {
      const body = await load();
      const definition = readDefinition(body);
      const bytes = RETAINED_BYTES[definition.nodes[0].type] + 4 * JSON.stringify(body).length;
      return { value: await build(hash, definition, this.#options), bytes };
    });
  }
}

async function build(
  hash: string,
  definition: AgentDefinition,
  options: AgentsOptions,
): Promise<CompiledAgent> {
  const [node] = definition.nodes;
  return {
    hash,
    name: definition.name ?? node.name,
    limits: definition.limits,
    graph: await buildGraph(definition, options),
    toInput,
    toResult,
  };
}

async function buildGraph(definition: AgentDefinition, options: AgentsOptions): Promise<AgentGraph> {
  const [node] = definition.nodes;
  const model = await createModel(node.model, options.settings);
  const { createAgent, todoListMiddleware } = await import("langchain");
  const { NoTracing } = await import("./tracing.ts");
  const common = {
    model,
    name: messageName(node.name),
    ...(node.system_prompt ? { systemPrompt: node.system_prompt } : {}),
  };
  const { tools, middleware } = await toolsOf(node.tools, definition.tools, options);
  const agent =
    node.type === "agent"
      ? createAgent({ ...common, tools, middleware })
      : (await import("deepagents")).createDeepAgent({
          ...common,
          tools,
          middleware: [todoListMiddleware() as AgentMiddleware, ...middleware],
        });
  // Their types name every channel of either; here all graphs are driven alike.
  return agent.graph.withConfig({ callbacks: [new NoTracing()] }) as unknown as AgentGraph;
}

/** The agent's name goes to the provider with each of its messages, and OpenAI refuses spaces in it. */
function messageName(name: string): string {
  return name.replace(/[^\w-]+/g, "_").slice(0, 64);
}
