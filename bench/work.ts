import { randomUUID } from "node:crypto";
import process from "node:process";

/** What every server is asked to do: one agent that says one thing, each time for a new job. */
export const ANSWER = "Hello! I am an agent described as data.";

const definition = {
  nodes: [
    {
      type: "agent",
      name: "main",
      model: { provider: "scripted", model: "any", responses: [ANSWER] },
    },
  ],
};
const rest = JSON.stringify({ agent_definition: definition, input: "Hi, who are you?" }).slice(1);
const run = `${process.pid}-${randomUUID().slice(0, 8)}`;
let sent = 0;

/** A binary CloudEvent; to a server that knows no CloudEvents it is a JSON body with odd headers. */
export function anEvent(): { jobId: string; headers: Record<string, string>; body: string } {
  const jobId = `bench-${run}-${++sent}`;
  const body = `{"job_id":"${jobId}",${rest}`;
  const headers = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "ce-specversion": "1.0",
    "ce-id": jobId,
    "ce-source": "bench",
    "ce-type": "dev.my-platform.agent.execute",
  };
  return { jobId, headers, body };
}

/** The service answers with its result event, the others with what they have. */
export function isAnswered(text: string, jobId: string): boolean {
  try {
    const { job_id, output, result } = JSON.parse(text) as {
      job_id?: unknown;
      output?: unknown;
      result?: { output?: unknown };
    };
    return job_id === jobId && (result?.output ?? output) === ANSWER;
  } catch {
    return false;
  }
}
