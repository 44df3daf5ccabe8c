import type { AgentDefinition } from "./definition.ts";
import type { NodeDefinition } from "./definition-nodes.ts";
import { completed, type EdgeDefinition } from "./edges.ts";

/** A definition as a flow chart that Markdown viewers draw. */
export function mermaid(definition: AgentDefinition): string {
  const { nodes, graph } = definition;
  if (graph !== undefined) return ["flowchart TD", `  graph_0[["${safe(graph)}"]]`].join("\n");
  const ids = new Map(nodes.map(({ key }, i) => [key, `n${i}`] as const));
  const idOf = (key: string) => ids.get(key) ?? key;
  const boxes = nodes.map((node) => `  ${idOf(node.key)}${box(node)}`);
  const lines = waysOf(definition).map(({ from, to, when }) => {
    const label = when === undefined ? "" : `|"${safe(when)}"|`;
    return `  ${idOf(from)} -->${label} ${idOf(to)}`;
  });
  return ["flowchart TD", "  START((START))", "  END((END))", ...boxes, ...lines].join("\n");
}

function waysOf({ shape, nodes, edges, delegates }: AgentDefinition): Omit<EdgeDefinition, "path">[] {
  if (shape !== "orchestrator") return completed(shape === "agent" ? [] : edges, nodes);
  const boss = nodes.find(({ type }) => type === "orchestrator")?.key ?? "";
  const down = [...delegates].flatMap(([from, all]) => all.map((to) => ({ from, to })));
  return [{ from: "START", to: boss }, ...down, { from: boss, to: "END" }];
}

/** The shape says the kind: rhombus a choice, hexagon a person, double sides another graph. */
function box({ type, name }: NodeDefinition): string {
  const label = `"${safe(name)}<br/>${type}"`;
  switch (type) {
    case "router":
      return `{${label}}`;
    case "approval":
      return `{{${label}}}`;
    case "graph":
      return `[[${label}]]`;
    case "tool":
      return `[/${label}/]`;
    default:
      return `[${label}]`;
  }
}

/** Mermaid reads quotes, brackets and hashes; as entities they are text. */
function safe(words: string): string {
  return words.replace(/[^\p{L}\p{N} _.,:=+*/?!-]/gu, (character) => `#${character.codePointAt(0)};`);
}
