import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AIMessage, type BaseMessage, HumanMessage, SystemMessage } from "@langchain/core/messages";
import type { RunnableConfig } from "@langchain/core/runnables";
import { AgentError } from "../errors/agent-error.ts";
import { viewOf } from "./agent-view.ts";
import type { AgentsOptions } from "./compile.ts";
import type { AgentDefinition } from "./definition.ts";
import type { RouterNode } from "./definition-nodes.ts";
import { quote } from "./json.ts";
import { createModel } from "./models.ts";
import type { Step } from "./pipeline-state.ts";

/** How often a model is asked that answers with anything but a label. */
const TRIES = 2;

/** A model picks one of the labels on the outgoing edges. Its words are not part of the conversation. */
export async function routerStep(
  node: RouterNode,
  { edges, channels }: AgentDefinition,
  { settings }: Pick<AgentsOptions, "settings">,
): Promise<Step> {
  const model = await createModel(node.model, settings);
  const outgoing = edges.filter(({ from }) => from === node.key);
  const labels = [...new Set(outgoing.flatMap(({ label }) => label ?? []))];
  const instruction = `Choose what comes next. Answer with one of these words and nothing else: ${labels.join(", ")}`;
  const system = new SystemMessage([node.system_prompt, instruction].filter(Boolean).join("\n\n"));
  return async (state, config) => {
    const label = await pick(model, [system, ...viewOf(state, node, channels)], labels, config);
    if (label !== undefined) return { turn_routes: { [node.key]: label } };
    const message = `router ${quote(node.name)} picked none of its labels: ${labels.join(", ")}`;
    throw new AgentError("graph_failed", message);
  };
}

async function pick(
  model: BaseChatModel,
  conversation: readonly BaseMessage[],
  labels: readonly string[],
  config: RunnableConfig,
): Promise<string | undefined> {
  const asked = [...conversation];
  for (let tries = 0; tries < TRIES; tries++) {
    const { text } = await model.invoke(asked, config);
    const label = labelIn(text, labels);
    if (label !== undefined) return label;
    const again = `That is none of the words. Answer with just one of: ${labels.join(", ")}`;
    asked.push(new AIMessage(text || "(nothing)"), new HumanMessage(again));
  }
  return undefined;
}

/** The label alone, in any case, with or without quotes, a full stop or emphasis around it. */
function labelIn(text: string, labels: readonly string[]): string | undefined {
  const bare = (word: string) =>
    word
      .trim()
      .replace(/^[\s"'`*.]+|[\s"'`*.!]+$/g, "")
      .toLowerCase();
  return labels.find((label) => label === text.trim()) ?? labels.find((label) => bare(label) === bare(text));
}
