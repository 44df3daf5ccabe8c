import { describeModelError } from "../agents/model-errors.ts";
import { AgentError, cutToBytes } from "../errors/agent-error.ts";
import { isDatabaseUnavailable } from "../postgres/failures.ts";

/** Whatever was thrown while a run was at work, as one of our errors. */
export function describeFailure(thrown: unknown): AgentError {
  if (thrown instanceof AgentError) return thrown;
  const inner = innerAgentError(thrown);
  if (inner !== undefined) return inner;
  if (isDatabaseUnavailable(thrown)) {
    return new AgentError("database_unavailable", "Postgres did not answer", { cause: thrown });
  }
  const ofModel = describeModelError(thrown);
  if (ofModel !== undefined) return ofModel;
  if (thrown instanceof Error && thrown.name === "GraphRecursionError") {
    return new AgentError("limit_exceeded", "the run went past its limit of steps", {
      cause: thrown,
      path: "/limits/steps",
    });
  }
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new AgentError("graph_failed", cutToBytes(text, 2048), { cause: thrown });
}

/** LangChain wraps what a model or a tool throws; ours may sit some causes deep. */
function innerAgentError(thrown: unknown): AgentError | undefined {
  let error = thrown;
  for (let depth = 0; depth < 5 && error instanceof Error; depth++) {
    if (error instanceof AgentError) return error;
    error = error.cause;
  }
  return undefined;
}
