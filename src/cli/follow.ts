import { setTimeout as delay } from "node:timers/promises";
import { type Api, jobPath, refusalOf } from "./api.ts";
import { CommandFailed } from "./exit.ts";

/** One frame of a job's stream, as docs of the stream have it. */
export type Frame = { event_type: string; data: Record<string, unknown> };

const MOST_LOST_LINES = 20;
const LOOK_EVERY_MS = 300;

type State = { status: string; runs: { run_id: string; status: string }[] };

/**
 * Everything that happens to a job until its last run has ended or waits for a person. A line that breaks is
 * taken up where it was; a service without streams is asked for its steps instead.
 */
export async function follow(api: Api, jobId: string, onFrame: (frame: Frame) => void): Promise<void> {
  let lastId: string | undefined;
  for (let lost = 0; lost < MOST_LOST_LINES; lost++) {
    const headers = { accept: "text/event-stream", ...(lastId !== undefined && { "last-event-id": lastId }) };
    const response = await api.send("GET", jobPath(jobId, "/events"), undefined, headers);
    if (response.status === 404 && !(await isUnknownJob(response)))
      return await followSteps(api, jobId, onFrame);
    if (!response.ok) throw refusalOf(response.status, await response.text());
    const isOver = await readFrames(response, async (id, frame) => {
      lastId = id ?? lastId;
      lost = 0;
      onFrame(frame);
      // An old question, which was answered since, is followed by more.
      return frame.event_type === "on_interrupt" && (await stateOf(api, jobId)).status === "waiting";
    });
    if (isOver || isAtRest(await stateOf(api, jobId))) return;
    await delay(LOOK_EVERY_MS);
  }
  throw new CommandFailed(
    `the stream of ${jobId} broke off ${MOST_LOST_LINES} times: look with jobs show`,
    3,
  );
}

/** Nothing happens to it by itself. */
function isAtRest({ status, runs }: State): boolean {
  return status === "waiting" || !runs.some((run) => run.status === "queued" || run.status === "running");
}

async function isUnknownJob(response: Response): Promise<boolean> {
  const text = await response.text();
  if (text.includes('"unknown_job"')) throw refusalOf(response.status, text);
  return false;
}

/** Says whether the job stopped; a line that breaks is no end. */
async function readFrames(
  response: Response,
  take: (id: string | undefined, frame: Frame) => Promise<boolean>,
): Promise<boolean> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const bytes of response.body ?? []) {
      rest += decoder.decode(bytes, { stream: true });
      const blocks = rest.split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const frame = frameOf(block);
        if (frame !== undefined && (await take(frame.id, frame.frame))) return true;
      }
    }
  } catch (error) {
    if (error instanceof CommandFailed) throw error;
    return false; // the line broke: the caller asks for what came after the last frame
  }
  return false;
}

function frameOf(block: string): { id: string | undefined; frame: Frame } | undefined {
  const field = (name: string) =>
    block
      .split("\n")
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2);
  const data = field("data");
  return data === undefined ? undefined : { id: field("id"), frame: JSON.parse(data) };
}

async function stateOf(api: Api, jobId: string): Promise<State> {
  return (await api.get(jobPath(jobId))) as State; // the contract of the route
}

type Step = { step: number; attempt: number; nodes: string[]; within: string[] };

async function followSteps(api: Api, jobId: string, onFrame: (frame: Frame) => void): Promise<void> {
  const seen = new Set<string>();
  for (;;) {
    const state = await stateOf(api, jobId);
    for (const { run_id } of state.runs) {
      const { steps } = (await api.get(jobPath(jobId, `/runs/${run_id}`))) as { steps: Step[] };
      for (const step of steps) {
        const key = [run_id, step.attempt, step.step, ...step.within].join();
        if (seen.has(key)) continue;
        seen.add(key);
        onFrame({ event_type: "on_state_update", data: { run_id, node: step.nodes.join(", "), ...step } });
      }
    }
    if (isAtRest(state)) return;
    await delay(LOOK_EVERY_MS);
  }
}
