import { FakeListChatModel } from "@langchain/core/utils/testing";
import { createDeepAgent } from "deepagents";
import { Agents } from "../src/agents/compile.ts";
import type { Options } from "./options.ts";
import { median } from "./statistics.ts";

/** p50 in ms of one event of an agent with five sub-agents, without a database: compiling and running it. */
export type CompileRow = {
  cached: number;
  perEvent: number;
  stockPerEvent: number;
  ratio: number;
  stockRatio: number;
};

const SUB_AGENTS = ["searcher", "reader", "writer", "checker", "translator"];
const PROMPT = "You are a specialist in your trade. Do what you are told and answer in one sentence.";
const ANSWER = "Done.";
const PAIRS = 60;

const scripted = { provider: "scripted", responses: [ANSWER] };
const definition = {
  nodes: [
    { type: "orchestrator", name: "lead", model: scripted, system_prompt: PROMPT },
    ...SUB_AGENTS.map((name) => ({ name, model: scripted, system_prompt: PROMPT, description: name })),
  ],
};
const settings = () => ({
  providers: { openai: {}, anthropic: {} },
  allowedBaseUrls: [],
  offlineModels: true,
});

/** The cache as it is, against one that is always empty, and against what one would write by hand. */
export async function measureCompile({ warmUp }: Options, say: (line: string) => void): Promise<CompileRow> {
  say("compile: an agent with five sub-agents");
  const kept = new Agents({ settings });
  const ways = {
    cached: () => throughCache(kept),
    perEvent: () => throughCache(new Agents({ settings })),
    stockPerEvent: byHand,
  };
  const times = { cached: [] as number[], perEvent: [] as number[], stockPerEvent: [] as number[] };
  const names = Object.keys(ways) as (keyof typeof ways)[]; // they are its keys
  for (let i = -Math.min(warmUp, 20); i < PAIRS; i++) {
    for (const name of names) {
      const start = performance.now();
      await ways[name]();
      if (i >= 0) times[name].push(performance.now() - start);
    }
  }
  const over = (slow: number[]) => median(slow.map((each, i) => each / (times.cached[i] ?? each)));
  return {
    cached: median(times.cached),
    perEvent: median(times.perEvent),
    stockPerEvent: median(times.stockPerEvent),
    ratio: over(times.perEvent),
    stockRatio: over(times.stockPerEvent),
  };
}

async function throughCache(agents: Agents): Promise<void> {
  const agent = await agents.compile(definition);
  const { output } = agent.toResult(await agent.graph.invoke(agent.toInput("Go!"), {}));
  if (output !== ANSWER) throw new Error("the agent answered something else");
}

async function byHand(): Promise<void> {
  const model = () => new FakeListChatModel({ responses: [ANSWER] });
  const subagents = SUB_AGENTS.map((name) => ({
    name,
    description: name,
    systemPrompt: PROMPT,
    model: model(),
    tools: [],
  }));
  const agent = createDeepAgent({ model: model(), systemPrompt: PROMPT, subagents });
  const { messages } = await agent.invoke({ messages: [{ role: "user", content: "Go!" }] });
  if (messages.at(-1)?.text !== ANSWER) throw new Error("the agent answered something else");
}
