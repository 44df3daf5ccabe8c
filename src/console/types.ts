/** What the routes of the service answer: /openapi.json is the authority. */
export type Status = "queued" | "running" | "waiting" | "completed" | "failed" | "cancelled";

export type JobList = {
  jobs: { job_id: string; status: Status; agent?: string; accepted_at: string; settled_at: string | null }[];
  next: string | null;
};

export type Interrupt = {
  interrupt_id: string;
  kind: string;
  tool?: string;
  args?: unknown;
  args_digest?: string;
  allowed: string[];
  message: string;
  expires_at?: string;
  decision?: string;
  decided_by?: string | null;
};

export type Run = {
  run_id: string;
  seq: number;
  status: Status;
  attempt: number;
  accepted_at: string;
  started_at: string | null;
  settled_at: string | null;
};

export type Usage = { total_tokens: number; steps: number; tool_calls: number; seconds: number };

export type Job = {
  job_id: string;
  status: Status;
  result: { output?: unknown; structured?: unknown } | null;
  error: { code: string; message: string; path?: string } | null;
  interrupts: Interrupt[];
  usage: Usage | null;
  definition: { hash: string; name?: string } | null;
  runs: Run[];
};

export type Step = {
  within: string[];
  step: number;
  nodes: string[];
  attempt: number;
  started_at: string | null;
  ended_at: string;
  tokens: number;
  model_calls: number;
  tool_calls: number;
};

export type RunDetails = Run & {
  source: string;
  event_id: string;
  retry_of: string | null;
  request: unknown;
  steps: Step[];
  events: {
    event: unknown;
    target: string;
    attempts: number;
    delivered_at: string | null;
    last_error: string | null;
  }[];
};

export type Frame = {
  event_type: string;
  data: Record<string, unknown> & { run_id?: string; attempt?: number };
};
