import { inSpan, remoteContext, type Span, tracing } from "./spans.ts";

type Attempted = {
  runId: string;
  jobId: string;
  attempt: number;
  waitNo: number;
  wasSilent?: boolean;
  traceparent: string | null;
};

/** One attempt at a run: a child of the event that asked for it, in whatever process it is made. */
export async function inAttempt<T>(run: Attempted, work: () => Promise<T>): Promise<T> {
  const parent = remoteContext(run.traceparent);
  if (!tracing.isOn) return await inSpan("", { parent }, work);
  const attributes = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.conversation.id": run.jobId.slice(0, 256),
    "agent_executor.run_id": run.runId,
    "agent_executor.attempt": run.attempt,
    "agent_executor.waits": run.waitNo,
    "agent_executor.taken_over": run.wasSilent === true,
  };
  return await inSpan("invoke_agent", { parent, attributes }, work);
}

/** The agent's name is known once its definition is compiled. */
export function nameAgent(span: Span | undefined, agent: { name: string; hash: string }): void {
  const name = agent.name.slice(0, 100);
  span?.updateName(`invoke_agent ${name}`);
  span?.setAttributes({ "gen_ai.agent.name": name, "gen_ai.agent.id": agent.hash });
}
