import type { BaseMessage } from "@langchain/core/messages";
import type { ChatResult } from "@langchain/core/outputs";
import { RunnableLambda } from "@langchain/core/runnables";
import { tool } from "@langchain/core/tools";
import { MessagesAnnotation, StateGraph } from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { createDeepAgent } from "deepagents";
import { createAgent } from "langchain";
import { Type } from "typebox";
import type { ScriptedResponse } from "../../../src/agents/definition.ts";
import { ScriptedModel } from "../../../src/agents/scripted.ts";
import { act } from "../life.ts";
import { callResumably } from "./resumable.ts";

/** A model whose every call is an effect: calls cost money. */
class WatchedModel extends ScriptedModel {
  readonly #name: string;

  constructor(name: string, responses: readonly ScriptedResponse[]) {
    super(responses);
    this.#name = name;
  }

  override async _generate(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<ChatResult> {
    const said = messages.filter((message) => message.getType() === "ai").length;
    await act(`${this.#name} says ${said + 1}`);
    return await super._generate(messages, options);
  }
}

function watched(name: string) {
  return tool(
    async (input, config) => {
      const { what } = input as { what: string };
      await act(`${name} ${what}`, config.toolCall?.id);
      return `${name} did ${what}`;
    },
    { name, description: name, schema: Type.Object({ what: Type.String() }) },
  );
}

const call = (name: string, what: string) => ({ name, args: { what } });

/** Three tools in one turn, one of them twice with the same arguments, then one more. */
const agent = createAgent({
  model: new WatchedModel("model", [
    { tool_calls: [call("read", "1"), call("write", "2"), call("send", "3"), call("send", "3")] },
    { tool_calls: [call("send", "4")] },
    "done",
  ]),
  tools: [watched("read"), watched("write"), watched("send")],
}).graph;

/** A graph of one's own with the tool node as it is: all calls of a turn are one task. */
const ownModel = new WatchedModel("model", [
  { tool_calls: [call("read", "1"), call("write", "2"), call("send", "3"), call("send", "3")] },
]);
const toolNode = new StateGraph(MessagesAnnotation)
  .addNode("model", async ({ messages }) => ({ messages: [await ownModel.invoke(messages)] }))
  .addNode("tools", new ToolNode([watched("read"), watched("write"), watched("send")]))
  .addEdge("__start__", "model")
  .addEdge("model", "tools")
  .compile();

const task = (description: string) => ({ name: "task", args: { description, subagent_type: "helper" } });

const helper = {
  name: "helper",
  description: "helps",
  systemPrompt: "help",
  model: new WatchedModel("helper", [
    { tool_calls: [call("read", "1"), call("write", "2"), call("send", "3")] },
    { tool_calls: [call("send", "4")] },
    "helped",
  ]),
  tools: [watched("read"), watched("write"), watched("send")],
};

const helperGraph = createAgent(helper).graph;
type HelperInput = Parameters<typeof helperGraph.invoke>[0];

const deepAgent = createDeepAgent({
  model: new WatchedModel("main", [
    { tool_calls: [task("it")] },
    { tool_calls: [call("send", "5")] },
    "done",
  ]),
  tools: [watched("send")],
  subagents: [helper],
}).graph;

/** Two sub-agents at once with the same task: all that they do bears the same names and arguments. */
const deepAgentTwice = createDeepAgent({
  model: new WatchedModel("main", [{ tool_calls: [task("it"), task("it")] }, "done"]),
  tools: [],
  subagents: [helper],
}).graph;

/** The sub-agent called so that LangGraph does not take it for a replay. */
const deepAgentKept = createDeepAgent({
  model: new WatchedModel("main", [
    { tool_calls: [task("it")] },
    { tool_calls: [call("send", "5")] },
    "done",
  ]),
  tools: [watched("send")],
  subagents: [
    {
      name: "helper",
      description: "helps",
      runnable: RunnableLambda.from((input: HelperInput, config) =>
        callResumably(helperGraph, input, config),
      ),
    },
  ],
}).graph;

export const agents = { agent, toolNode, deepAgent, deepAgentTwice, deepAgentKept };
