import type { BaseMessage, ToolMessage } from "@langchain/core/messages";
import type { Toolbox } from "../../src/agents/toolbox.ts";
import { agentsWith, scripted } from "./support.ts";

type Call = { name: string; args?: object };

/** A definition of one agent that makes these calls, one after the other. */
export function callingAgent(tools: object[], calls: Call[]): object {
  const responses = calls.map((call) => ({ tool_calls: [{ args: {}, ...call }] }));
  const names = tools.map((tool) => (tool as { name: string }).name);
  const model = scripted(...responses, "done");
  return { tool_definitions: tools, nodes: [{ type: "agent", name: "main", tools: names, model }] };
}

export type Told = [text: string, status: string | undefined][];

/** What these messages tell a model of its tools: text and status of each call. */
export function toldIn({ messages }: { messages: BaseMessage[] }): Told {
  const results = messages.filter((message): message is ToolMessage => message.getType() === "tool");
  return results.map(({ text, status }) => [text, status]);
}

/** What the model was told by its tools. */
export async function toldBy(
  toolbox: Toolbox,
  tools: object[],
  calls: Call[],
  configurable: object = {},
): Promise<Told> {
  const agent = await agentsWith({}, { toolbox }).compile(callingAgent(tools, calls));
  const state = await agent.graph.invoke(agent.toInput("go"), { configurable: { ...configurable } });
  return toldIn(state as { messages: BaseMessage[] });
}
