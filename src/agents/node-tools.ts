import type { AgentsOptions } from "./compile.ts";
import { readEgressAllow } from "./egress-allow.ts";
import type { ToolDefinition } from "./tool-definition.ts";

/** The tools that a node names, and what has to stand around their calls. */
export async function toolsOf(
  names: readonly string[],
  defined: readonly ToolDefinition[],
  { egress }: Pick<AgentsOptions, "egress">,
) {
  const named = defined.filter(({ name }) => names.includes(name));
  if (named.length === 0) return { tools: [], middleware: [] };
  const { createTool, throwingTools } = await import("./tools.ts");
  const { Egress } = await import("./egress.ts");
  const wayOut = new Egress(egress ?? { allow: readEgressAllow([]) });
  return { tools: named.map((each) => createTool(each, wayOut)), middleware: [throwingTools()] };
}
