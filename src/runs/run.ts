import type { Taken } from "../checkpoints/run-writer.ts";
import type { OutcomeKind } from "../events/outgoing.ts";

/** `waiting` is a run that waits for a person; it holds no worker. */
export type RunStatus = "queued" | "running" | "waiting" | "completed" | "failed" | "cancelled";

export const FINAL: ReadonlySet<RunStatus> = new Set(["completed", "failed", "cancelled"]);

/** A run under our lease: `attempt` proves it in every write. */
export type ClaimedRun = {
  runId: string;
  jobId: string;
  seq: number;
  attempt: number;
  /** How often it has waited for a person so far. */
  waitNo: number;
  /** Taken up from a worker whose lease ran out. */
  wasSilent?: boolean;
  /** Attempts that ended badly in a row, this one not counted. */
  failures: number;
  eventId: string;
  request: StoredRequest;
  definitionHash: string | null;
  headCheckpointId: string | null;
  traceparent: string | null;
  /** Somebody asked for its end before we claimed it; empty where no reason was given. */
  endReason?: string | null;
};

/** What of the event's data is kept with the run; the definition is kept once, by its hash. */
export type StoredRequest = {
  agent?: unknown;
  input?: unknown;
  input_payload?: unknown;
  context?: unknown;
  limits?: unknown;
  /** The run that this one is a retry of, and where it begins. */
  retry_of?: { run_id: string; from: "input" | "checkpoint" };
};

export type Usage = {
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
  model_calls: number;
  tool_calls: number;
  steps: number;
  seconds: number;
  /** Where all models of the run have a price. */
  cost_usd?: number;
};

/** How a run ended: a value, so that failure is no second path through the code. */
export type Outcome = {
  kind: Exclude<OutcomeKind, "interrupted">;
  /** Goes into the event's data beside job_id and run_id. */
  data: Record<string, unknown>;
  usage: Usage;
  /** Where the job's next turn begins; only a completed run moves it. */
  headCheckpointId?: string | undefined;
  /** Checkpoints that are still to be written, that one among them. */
  checkpoints?: Taken | undefined;
};
