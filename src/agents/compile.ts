import type { CompiledStateGraph, StateSnapshot } from "@langchain/langgraph";
import { AgentError } from "../errors/agent-error.ts";
import { type AgentDefinition, type DefinitionLimits, readDefinition } from "./definition.ts";
import { definitionHash } from "./definition-hash.ts";
import type { NodeDefinition } from "./definition-nodes.ts";
import type { EgressOptions } from "./egress.ts";
import type { ModelSettings } from "./endpoints.ts";
import { GraphCache, type GraphCacheOptions } from "./graph-cache.ts";
import { toInput } from "./input.ts";
import { type RunResult, toResult } from "./result.ts";
import type { Toolbox } from "./toolbox.ts";
import type { Listener } from "./tracing.ts";

type AnyGraph = CompiledStateGraph<Record<string, unknown>, Record<string, unknown>, string>;
/** Whoever listens to a run does so with plain methods. */
type Config<M extends "invoke" | "stream"> = Omit<NonNullable<Parameters<AnyGraph[M]>[1]>, "callbacks"> & {
  callbacks?: Listener[];
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
  /** Names of the operator's graphs, with the modules that export them. */
  graphModules?: ReadonlyMap<string, string>;
  onCache?(result: "hit" | "miss"): void;
  cache?: Partial<GraphCacheOptions>;
};

/** What a graph of each kind holds on to, as measured; a definition adds a few times its own size. */
const RETAINED_KIB = { base: 16, agent: 32, specialist: 128, orchestrator: 272, other: 8 };
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
      const bytes = retainedBytes(definition) + 4 * JSON.stringify(body).length;
      return { value: await build(hash, definition, this.#options), bytes };
    });
  }
}

function retainedBytes({ nodes, shape }: AgentDefinition): number {
  const agent = shape === "orchestrator" ? RETAINED_KIB.specialist : RETAINED_KIB.agent;
  const ofNode = ({ type }: NodeDefinition) =>
    type === "agent" ? agent : type === "orchestrator" ? RETAINED_KIB.orchestrator : RETAINED_KIB.other;
  return 1024 * nodes.reduce((sum, node) => sum + ofNode(node), RETAINED_KIB.base);
}

async function build(
  hash: string,
  definition: AgentDefinition,
  options: AgentsOptions,
): Promise<CompiledAgent> {
  const [first] = definition.nodes;
  const graph = await buildGraph(definition, options);
  const { oneHandler } = await import("./tracing.ts");
  const heard = ({ callbacks = [], ...config }: Config<"invoke">) => ({
    ...config,
    callbacks: [oneHandler(callbacks)],
  });
  return {
    hash,
    name: definition.name ?? definition.graph ?? first?.name ?? "agent",
    limits: definition.limits,
    graph: {
      invoke: (input, config) => graph.invoke(input, heard(config)),
      stream: (input, config) => graph.stream(input, heard(config)),
      getState: (config) => graph.getState(heard(config)),
    },
    toInput: (input) => toInput(input, definition),
    toResult: (state) => toResult(state, definition),
  };
}

/** Each kind of graph is built by a file of its own, which is loaded when the first one is. */
async function buildGraph(definition: AgentDefinition, options: AgentsOptions): Promise<AnyCompiledGraph> {
  const { shape, nodes, graph } = definition;
  if (shape === "pipeline") return await (await import("./pipeline.ts")).buildPipeline(definition, options);
  if (shape === "graph") {
    const { operatorsGraph } = await import("./graph-modules.ts");
    return await operatorsGraph(graph ?? "", "/graph", options);
  }
  const { buildAgent, buildDeepAgent } = await import("./agent-graphs.ts");
  const main = nodes.find((node) => node.type === (shape === "agent" ? "agent" : "orchestrator"));
  if (main?.type === "agent") return await buildAgent(main, definition, options);
  if (main?.type === "orchestrator") return await buildDeepAgent(main, definition, options);
  throw new AgentError("internal", "the definition has no agent");
}

/** A graph whoever made it: their types name every channel of each, here all are driven alike. */
export type AnyCompiledGraph = {
  invoke(input: unknown, config: object): Promise<Record<string, unknown>>;
  stream(input: unknown, config: object): Promise<AsyncIterable<unknown>>;
  getState(config: object): Promise<StateSnapshot>;
};
