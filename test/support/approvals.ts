import { randomUUID } from "node:crypto";

/** An agent whose model calls tools of `toolUrl`, one turn for each list of calls, and then says "done". */
export function callingAgent(
  toolUrl: string,
  turns: readonly { name: string; args: Record<string, unknown> }[][],
  tool: Record<string, unknown> = { approval: true },
): Record<string, unknown> {
  const names = [...new Set(turns.flat().map(({ name }) => name))];
  const properties = { amount: { type: "number" }, to: { type: "string" } };
  return {
    tool_definitions: names.map((name) => ({
      name,
      description: `does ${name}`,
      input_schema: { type: "object", properties, required: ["amount"] },
      runtime: {
        type: "http",
        method: "POST",
        url: `${toolUrl}/${name}`,
        body: { amount: "{amount}" },
      },
      on_unknown: "retry",
      ...tool,
    })),
    nodes: [
      {
        type: "agent",
        name: "main",
        model: {
          provider: "scripted",
          model: "x",
          responses: [...turns.map((calls) => ({ tool_calls: calls })), "done"],
        },
        tools: names,
      },
    ],
  };
}

export type Interrupt = {
  interrupt_id: string;
  kind: string;
  tool?: string;
  args?: Record<string, unknown>;
  args_digest: string;
  allowed: string[];
  message: string;
  expires_at?: string;
  decision?: string;
};

/** The one question there is. */
export function only(interrupts: readonly Interrupt[]): Interrupt {
  const [interrupt] = interrupts;
  if (interrupt === undefined || interrupts.length > 1) throw new Error("one question was expected");
  return interrupt;
}

export function resumeEvent(
  job_id: string,
  data: Record<string, unknown>,
  id: string = randomUUID(),
): { id: string; source: string; type: string; data: Record<string, unknown> } {
  return { id, source: "tests", type: "dev.my-platform.agent.resume", data: { job_id, ...data } };
}
