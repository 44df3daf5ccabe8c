import { ToolMessage } from "@langchain/core/messages";
import { type DynamicStructuredTool, tool } from "@langchain/core/tools";
import { type AgentMiddleware, createMiddleware } from "langchain";
import { withinCall } from "../observability/call-places.ts";
import { permission } from "./approval.ts";
import { callDigest } from "./definition-hash.ts";
import { inject } from "./injection.ts";
import { type CallConfig, runJournaled } from "./journaled-tool.ts";
import { isRecord } from "./json.ts";
import { factsOf, type RunFacts } from "./run-facts.ts";
import { type Args, ArgumentProblem } from "./templates.ts";
import type { ToolDefinition } from "./tool-definition.ts";
import type { ToolOutcome, ToolWork } from "./tool-outcome.ts";
import type { Toolbox } from "./toolbox.ts";

/** A defined tool as LangChain wants it. */
export function createTool(definition: ToolDefinition, toolbox: Toolbox): DynamicStructuredTool {
  const { name, description, parameters } = definition;
  const call = async (args: unknown, config: CallConfig) => {
    const { content, status } = await withinCall(callIdOf(config), () =>
      outcomeOf(definition, args, config, toolbox),
    );
    return new ToolMessage({ content, status, name, tool_call_id: config.toolCall?.id ?? "" });
  };
  const told = tool(call, { name, description, schema: parameters });
  // LangChain would check the arguments by the schema, patterns included, and tell the model our
  // stack where they do not fit. So what it runs takes anything, and we check.
  const takesAnything = tool(call, {
    name,
    description,
    schema: {},
    metadata: { tool_kind: definition.runtime.type },
  });
  told.invoke = takesAnything.invoke.bind(takesAnything);
  return told;
}

/** LangChain's id of the call: what is made inside of it has it as its parent. */
function callIdOf({ callbacks }: CallConfig): string | undefined {
  return callbacks !== undefined && "getParentRunId" in callbacks ? callbacks.getParentRunId() : undefined;
}

async function outcomeOf(
  definition: ToolDefinition,
  args: unknown,
  config: CallConfig,
  toolbox: Toolbox,
): Promise<ToolOutcome> {
  try {
    callDigest(definition.name, args); // refuses what is nested too deep to be named
    const problem = definition.check(args);
    if (problem !== undefined) throw new ArgumentProblem(problem);
    const allowed = permission(definition, args);
    if (allowed.kind === "told") return { content: allowed.content, status: allowed.status };
    if (!isRecord(allowed.args)) throw new ArgumentProblem(undefined);
    const facts = factsOf(config.configurable);
    const all = inject(allowed.args, definition.inject, facts);
    const misfit = definition.inject.length > 0 ? definition.checkAll(all) : undefined;
    if (misfit !== undefined) throw new ArgumentProblem(misfit);
    const work = await prepare(definition, all, facts, toolbox);
    return await runJournaled(definition, all, config, work);
  } catch (error) {
    if (!(error instanceof ArgumentProblem)) throw error;
    return { content: `The arguments do not fit: ${error.message}. Nothing was called.`, status: "error" };
  }
}

/** The work of a call, with what its kind of tool needs; an ArgumentProblem where it cannot be. */
async function prepare(
  definition: ToolDefinition,
  args: Args,
  facts: RunFacts,
  toolbox: Toolbox,
): Promise<ToolWork> {
  const { runtime } = definition;
  switch (runtime.type) {
    case "http": {
      const { prepareHttp } = await import("./http-tool.ts");
      return await prepareHttp({ ...definition, runtime }, args, toolbox);
    }
    case "javascript": {
      const { prepareScript } = await import("./script-tool.ts");
      return prepareScript({ ...definition, runtime }, args, facts, toolbox);
    }
    case "mcp": {
      const { prepareMcp } = await import("./mcp-tool.ts");
      return await prepareMcp({ ...definition, runtime }, args, toolbox);
    }
    case "builtin": {
      const { prepareBuiltin } = await import("./builtin-tool.ts");
      return await prepareBuiltin({ ...definition, runtime }, args, facts, toolbox);
    }
    case "module": {
      const { prepareModule } = await import("./module-tool.ts");
      return await prepareModule({ ...definition, runtime }, args, facts, toolbox);
    }
  }
}

/**
 * What a tool throws ends the run: failures that a model may know of are outcomes, not errors. With
 * no middleware around its calls a plain agent would tell the model of lost leases and aborts too.
 */
export function throwingTools(): AgentMiddleware {
  return createMiddleware({ name: "throwingTools", wrapToolCall: (request, handler) => handler(request) });
}
