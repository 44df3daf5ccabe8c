import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { didYouMean } from "../errors/near-miss.ts";
import { invalid } from "./definition-problem.ts";
import { schemaForModel } from "./input-schema.ts";
import { below, quote } from "./json.ts";
import { McpFailure, type McpTool } from "./mcp-connection.ts";
import type { Args } from "./templates.ts";
import { readArguments, type ToolDefinition, type ToolOf } from "./tool-definition.ts";
import {
  failed,
  mayHaveHappened,
  succeeded,
  type ToolOutcome,
  type ToolWork,
  withRetries,
} from "./tool-outcome.ts";
import type { Toolbox } from "./toolbox.ts";

const MAX_NAME = 64;

/** What a definition of type mcp stands for: one tool of a server, or all of them under its name. */
export async function mcpTools(defined: ToolOf<"mcp">, toolbox: Toolbox): Promise<ToolDefinition[]> {
  const { server, tool } = defined.runtime;
  const at = below(defined.path, "runtime");
  const connection = await toolbox.mcp(server, below(at, "server"));
  const offered = await connection.tools();
  if (tool === undefined) {
    return offered.map((each) => describedBy({ ...defined, name: prefixed(defined.name, each.name) }, each));
  }
  const one = offered.find(({ name }) => name === tool);
  if (one === undefined) {
    const hint = didYouMean(
      tool,
      offered.map(({ name }) => name),
    );
    throw invalid(`${quote(tool)} is no tool of the MCP server ${quote(server)}${hint}`, below(at, "tool"));
  }
  return [describedBy(defined, one)];
}

/** Providers take letters, digits, "_" and "-", 64 in all. */
function prefixed(prefix: string, name: string): string {
  return `${prefix}_${name.replace(/[^\w-]+/g, "_")}`.slice(0, MAX_NAME);
}

/** As the author says, and for the rest as the server does. */
function describedBy(defined: ToolOf<"mcp">, { name, description, schema }: McpTool): ToolDefinition {
  const runtime = { ...defined.runtime, tool: name };
  const said = defined.isDescribed.description ? defined.description : description;
  if (defined.isDescribed.schema) return { ...defined, description: said, runtime };
  return { ...defined, description: said, runtime, ...argumentsBy(schema, defined.path) };
}

/** A schema with keywords that we cannot check is the server's to check. */
function argumentsBy(schema: McpTool["schema"], path: string) {
  try {
    return readArguments({}, schema, path);
  } catch {
    const check = () => undefined;
    return { parameters: schemaForModel(schema), check, checkAll: check, inject: [] };
  }
}

export async function prepareMcp(tool: ToolOf<"mcp">, args: Args, toolbox: Toolbox): Promise<ToolWork> {
  const { server, tool: name = tool.name } = tool.runtime;
  const connection = await toolbox.mcp(server, below(below(tool.path, "runtime"), "server"));
  const call = {
    ...{ tool: name, args: { ...args }, milliseconds: tool.timeoutSeconds * 1000 },
    mayRepeat: tool.effect === "read",
  };
  return async ({ idempotencyKey, signal }) =>
    await withRetries(tool, signal, async () => {
      signal?.throwIfAborted();
      try {
        // Once a call that writes is on its way an abort is too late: it would only lose the answer.
        const answer = await connection.call(
          { ...call, idempotencyKey },
          tool.effect === "write" ? undefined : signal,
        );
        return { outcome: outcomeOf(answer), passing: false };
      } catch (error) {
        if (tool.effect === "read") signal?.throwIfAborted();
        if (!(error instanceof McpFailure)) throw error;
        const after = error.sent ? mayHaveHappened(tool) : "; nothing was sent";
        return { outcome: failed(error.message + after), passing: true };
      }
    });
}

function outcomeOf({ content, structuredContent, isError }: CallToolResult): ToolOutcome {
  const text = content.map(textOf).join("\n");
  if (isError) return failed(text || "the tool failed and does not say why");
  return succeeded(text === "" && structuredContent !== undefined ? structuredContent : text);
}

function textOf(part: CallToolResult["content"][number]): string {
  switch (part.type) {
    case "text":
      return part.text;
    case "resource":
      return "text" in part.resource
        ? part.resource.text
        : `[${part.resource.mimeType ?? "bytes"}, not shown]`;
    case "resource_link":
      return `${part.name}: ${part.uri}`;
    default:
      return `[${part.type} of ${part.mimeType}, not shown]`;
  }
}
