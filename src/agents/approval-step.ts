import { AgentError } from "../errors/agent-error.ts";
import { ask } from "./approval.ts";
import type { AgentDefinition } from "./definition.ts";
import type { ApprovalNode } from "./definition-nodes.ts";
import { quote } from "./json.ts";
import { type Step, sharedState, writesTo } from "./pipeline-state.ts";

/**
 * Asks a person before the run goes on. The decision goes to the channel that the node writes, for
 * edges to look at; without one, a rejection ends the run.
 */
export function approvalStep(node: ApprovalNode, { channels }: AgentDefinition): Step {
  return async (state) => {
    const shared = sharedState(state, channels);
    if (!node.applies(shared, state.turn_input)) {
      return writesTo(node.name, node.writes, channels, () => ({ decision: "approve" }));
    }
    const value = Object.fromEntries(node.show.map((name) => [name, shared[name]] as const));
    const answer = ask({ kind: "approval", message: node.message, value, ...node.terms });
    if (answer.decision === "reject" && node.writes.length === 0) {
      const comment = answer.comment ? `: ${answer.comment}` : "";
      throw new AgentError("rejected", `the run was rejected at ${quote(node.name)}${comment}`);
    }
    return writesTo(node.name, node.writes, channels, () => answer);
  };
}
