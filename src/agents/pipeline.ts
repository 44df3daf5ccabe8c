import { END, START, StateGraph } from "@langchain/langgraph";
import { AgentError } from "../errors/agent-error.ts";
import type { AgentsOptions, AnyCompiledGraph } from "./compile.ts";
import type { AgentDefinition } from "./definition.ts";
import type { NodeDefinition } from "./definition-nodes.ts";
import { completed, type EdgeDefinition, meetings } from "./edges.ts";
import { quote } from "./json.ts";
import { pipelineState, type State, type Step, sharedState } from "./pipeline-state.ts";

type Options = Pick<AgentsOptions, "settings" | "egress" | "toolbox" | "graphModules">;

/** The part of LangGraph's builder that does not depend on the names of nodes, which are data here. */
type Builder = {
  addNode(key: string, step: Step, options: { defer: boolean; metadata: { node_kind: string } }): unknown;
  addEdge(from: string | string[], to: string): unknown;
  addConditionalEdges(from: string, choose: (state: State) => string[], targets: string[]): unknown;
  compile(options: { name: string }): AnyCompiledGraph;
};

/** A graph of the definition's nodes over one shared state. */
export async function buildPipeline(
  definition: AgentDefinition,
  options: Options,
): Promise<AnyCompiledGraph> {
  const { nodes, channels, name = "pipeline" } = definition;
  const builder = new StateGraph(pipelineState(channels)) as unknown as Builder;
  const edges = completed(definition.edges, nodes).map(withGraphsEnds);
  const { joins, deferred } = meetings(completed(definition.edges, nodes));
  const steps = await Promise.all(nodes.map((node) => stepOf(node, definition, options)));
  nodes.forEach(({ key, type }, i) => {
    const step = steps[i];
    const options = { defer: deferred.has(key), metadata: { node_kind: type } };
    if (step !== undefined) builder.addNode(key, step, options);
  });
  for (const [to, sources] of joins) builder.addEdge(sources, to);
  for (const from of new Set(edges.map((edge) => edge.from))) {
    const outgoing = edges.filter((edge) => edge.from === from);
    const plain = outgoing.filter((edge) => edge.when === undefined);
    for (const { to } of plain) if (joins.get(to)?.includes(from) !== true) builder.addEdge(from, to);
    const conditional = outgoing.filter((edge) => edge.when !== undefined);
    if (conditional.length === 0) continue;
    const choose = chooser(from, conditional, plain.length === 0, definition);
    builder.addConditionalEdges(from, choose, [...new Set(conditional.map(({ to }) => to))]);
  }
  return builder.compile({ name });
}

function withGraphsEnds(edge: EdgeDefinition): EdgeDefinition {
  return {
    ...edge,
    from: edge.from === "START" ? START : edge.from,
    to: edge.to === "END" ? END : edge.to,
  };
}

/** Every edge whose condition holds is taken. That none does is an error: the run would just stop there. */
function chooser(
  from: string,
  edges: readonly EdgeDefinition[],
  mustGoOn: boolean,
  { channels }: AgentDefinition,
): (state: State) => string[] {
  return (state) => {
    const shared = sharedState(state, channels);
    const picked = state.turn_routes[from];
    const taken = edges.filter(({ label, condition }) =>
      label === undefined ? condition?.(shared, state.turn_input) : label === picked,
    );
    if (taken.length > 0 || !mustGoOn) return [...new Set(taken.map(({ to }) => to))];
    const conditions = edges.map(({ when }) => when).join("; ");
    throw new AgentError("graph_failed", `no edge from ${quote(from)} holds: ${conditions}`);
  };
}

/** Each kind of node in a file of its own, loaded when the first such node is built. */
async function stepOf(node: NodeDefinition, definition: AgentDefinition, options: Options): Promise<Step> {
  switch (node.type) {
    case "agent":
    case "orchestrator":
      return await (await import("./agent-step.ts")).agentStep(node, definition, options);
    case "router":
      return await (await import("./router-step.ts")).routerStep(node, definition, options);
    case "tool":
      return await (await import("./tool-step.ts")).toolStep(node, definition, options);
    case "approval":
      return (await import("./approval-step.ts")).approvalStep(node, definition);
    case "graph":
      return await (await import("./graph-step.ts")).graphStep(node, definition, options);
  }
}
