import { AgentError } from "../errors/agent-error.ts";
import type { AgentsOptions } from "./compile.ts";
import { invalid } from "./definition-problem.ts";
import { below, quote } from "./json.ts";
import type { ToolDefinition } from "./tool-definition.ts";
import { Toolbox } from "./toolbox.ts";

/** The tools that a node names, and what has to stand around their calls. */
export async function toolsOf(
  names: readonly string[],
  defined: readonly ToolDefinition[],
  options: Pick<AgentsOptions, "egress" | "toolbox">,
) {
  const named = defined.filter(({ name }) => names.includes(name));
  if (named.length === 0) return { tools: [], middleware: [] };
  const { createTool, throwingTools } = await import("./tools.ts");
  const toolbox = options.toolbox ?? new Toolbox({ egress: options.egress });
  const all = (await Promise.all(named.map((each) => found(each, toolbox)))).flat();
  checkNames(all);
  return { tools: all.map((each) => createTool(each, toolbox)), middleware: [throwingTools()] };
}

/** What comes from elsewhere is looked for now: a run that cannot have its tools does not begin. */
async function found(defined: ToolDefinition, toolbox: Toolbox): Promise<ToolDefinition[]> {
  const { runtime, path } = defined;
  if (runtime.type === "mcp") {
    const { mcpTools } = await import("./mcp-tool.ts");
    return await mcpTools({ ...defined, runtime }, toolbox);
  }
  if (runtime.type === "javascript") {
    const problem = await (await toolbox.sandbox()).problemOf(runtime.script);
    const at = below(below(path, "runtime"), "script");
    if (problem !== undefined) throw invalid(`the script cannot be read: ${problem}`, at);
  }
  if (runtime.type === "module") await toolbox.module(runtime.name, below(below(path, "runtime"), "name"));
  return [defined];
}

/** A server may have tools whose names become one. */
function checkNames(tools: readonly ToolDefinition[]): void {
  const seen = new Set<string>();
  for (const { name, path } of tools) {
    if (seen.has(name)) {
      throw new AgentError("duplicate_name", `two tools would be called ${quote(name)}`, { path });
    }
    seen.add(name);
  }
}
