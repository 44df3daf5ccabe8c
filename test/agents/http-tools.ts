import type { BaseMessage } from "@langchain/core/messages";
import { expect } from "vitest";
import type { Agents, AgentsOptions } from "../../src/agents/compile.ts";
import { readEgressAllow } from "../../src/agents/egress-allow.ts";
import { agentsWith, scripted } from "./support.ts";
import { type Told, toldIn } from "./told.ts";
import type { ToolServer } from "./tool-server.ts";

type Call = { name: string; args?: object };
type ToolChanges = { runtime?: object; [key: string]: unknown };

/** To this machine and nowhere else. */
export const egress = { allow: readEgressAllow(["127.0.0.1"]) };

export const callingAgents = (options: Partial<AgentsOptions> = {}): Agents =>
  agentsWith({}, { egress, ...options });

/** A tool that looks at the root of the server, unless the changes say otherwise. */
export function aTool(server: ToolServer, { runtime = {}, ...changes }: ToolChanges = {}): object {
  return {
    name: "look",
    runtime: { type: "http", method: "GET", url: `${server.url}/`, ...runtime },
    ...changes,
  };
}

/** One node with these tools, whose model makes all the calls at once and then says "done". */
export function definition(tools: object[], calls: Call[], type = "agent"): object {
  const names = tools.map((tool) => (tool as { name: string }).name);
  const model = scripted({ tool_calls: calls }, "done");
  return { tool_definitions: tools, nodes: [{ type, name: "main", tools: names, model }] };
}

/** What the model was told by its tools. */
export async function told(body: object, options: Partial<AgentsOptions> = {}, hash?: string): Promise<Told> {
  const agent = await callingAgents(options).compile(body, hash);
  const state = (await agent.graph.invoke(agent.toInput("go"), {})) as { messages: BaseMessage[] };
  expect(state.messages.at(-1)?.text).toBe("done");
  return toldIn(state);
}

/** One call of one tool, in a plain agent. */
export const toldOf = async (
  server: ToolServer,
  changes: ToolChanges = {},
  args: object = {},
  options: Partial<AgentsOptions> = {},
) => (await told(definition([aTool(server, changes)], [{ name: "look", args }]), options))[0];
