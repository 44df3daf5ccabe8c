import { randomUUID } from "node:crypto";

export type ScriptedAnswer = string | Record<string, unknown>;

/** The smallest agent: one node that says what is written here. */
export function scripted(...responses: ScriptedAnswer[]): Record<string, unknown> {
  return { nodes: [{ type: "agent", name: "main", model: { provider: "scripted", model: "x", responses } }] };
}

/** Answers with what it was told last. */
export function echo(): Record<string, unknown> {
  return { nodes: [{ type: "agent", name: "main", model: { provider: "echo", model: "x" } }] };
}

export type ExecuteEvent = { id: string; source: string; type: string; data: Record<string, unknown> };

/** An execute event for a job of its own, unless `data` says which. */
export function executeEvent(data: Record<string, unknown> = {}, id: string = randomUUID()): ExecuteEvent {
  return {
    id,
    source: "tests",
    type: "dev.my-platform.agent.execute",
    data: { job_id: randomUUID(), agent_definition: scripted("done"), input: "hello", ...data },
  };
}
