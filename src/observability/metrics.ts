import { Counter, Gauge, Histogram } from "prom-client";
import { registry } from "./registry.ts";

export * from "./work-metrics.ts";
export { registry };

/** Callers say what happened in words of the domain; only the files of metrics know instruments and labels. */
const registers = [registry];

const jobs = new Counter({
  name: "agent_executor_jobs_total",
  help: "Runs that reached an outcome.",
  labelNames: ["status"],
  registers,
});
const duration = new Histogram({
  name: "agent_executor_job_duration_seconds",
  help: "From the start of a run's last attempt to its outcome.",
  buckets: [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300],
  registers,
});
const vaultLogins = new Counter({
  name: "agent_executor_vault_auth_failures_total",
  help: "Logins to Vault that failed.",
  registers,
});
const databaseErrors = new Counter({
  name: "agent_executor_db_connection_errors_total",
  help: "Connections to Postgres that failed or broke.",
  registers,
});
const redisErrors = new Counter({
  name: "agent_executor_redis_publish_errors_total",
  help: "Stream frames that Redis did not take.",
  registers,
});
const frames = new Counter({
  name: "agent_executor_stream_frames_total",
  help: "Stream frames that readers can get.",
  registers,
});
const droppedFrames = new Counter({
  name: "agent_executor_stream_dropped_total",
  help: "Stream frames that were given up because Redis was away or too slow.",
  registers,
});
const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
const outbox = {
  pending: gauge("agent_executor_outbox_pending", "Result events that wait for their delivery."),
  parked: gauge(
    "agent_executor_outbox_parked",
    "Result events that were given up; redrive sends them again.",
  ),
  oldest: gauge("agent_executor_outbox_oldest_seconds", "Age of the oldest event that waits."),
};
const takeovers = new Counter({
  name: "agent_executor_run_takeovers_total",
  help: "Runs taken up from a worker that went silent.",
  registers,
});
const llm = {
  requests: new Counter({
    name: "agent_executor_llm_requests_total",
    help: "Requests to model providers, tries again included.",
    labelNames: ["provider", "outcome"],
    registers,
  }),
  tokens: new Counter({
    name: "agent_executor_llm_tokens_total",
    help: "Tokens as the providers count them; cached ones are part of the input.",
    labelNames: ["provider", "direction"],
    registers,
  }),
  retries: new Counter({
    name: "agent_executor_llm_retries_total",
    help: "Requests that were sent again after a failure that may pass.",
    labelNames: ["provider"],
    registers,
  }),
  fallbacks: new Counter({
    name: "agent_executor_llm_fallbacks_total",
    help: "Models that gave up and whose fallback was asked.",
    labelNames: ["provider"],
    registers,
  }),
  waits: new Histogram({
    name: "agent_executor_llm_wait_seconds",
    help: "How long requests waited for a place under MODEL_MAX_CONCURRENT.",
    labelNames: ["provider"],
    buckets: [0.001, 0.01, 0.1, 1, 5, 15, 60, 300],
    registers,
  }),
  cost: new Counter({
    name: "agent_executor_llm_cost_usd_total",
    help: "US dollars by the price table of MODEL_PRICES.",
    labelNames: ["provider"],
    registers,
  }),
  unpriced: new Counter({
    name: "agent_executor_llm_unpriced_calls_total",
    help: "Calls of models that MODEL_PRICES has no price for.",
    labelNames: ["provider"],
    registers,
  }),
  outages: new Counter({
    name: "agent_executor_llm_gate_outages_total",
    help: "Times that Redis was away and only the process's own cap on model requests held.",
    registers,
  }),
};
const badAgentFiles = gauge(
  "agent_executor_agent_files_bad",
  "Files in AGENTS_DIR that cannot be used as they are.",
);
const nats = {
  messages: new Counter({
    name: "agent_executor_nats_messages_total",
    help: "Messages of the NATS door by what became of them: acknowledged, later, dead, exhausted.",
    labelNames: ["outcome"],
    registers,
  }),
  redelivered: new Counter({
    name: "agent_executor_nats_redelivered_total",
    help: "Messages that came to this process and had been delivered before.",
    registers,
  }),
  inHand: gauge("agent_executor_nats_in_hand", "Messages that were pulled and are not acknowledged yet."),
  paused: new Counter({
    name: "agent_executor_nats_paused_seconds_total",
    help: "Time in which nothing was pulled because there was no place to run it.",
    registers,
  }),
  disconnects: new Counter({
    name: "agent_executor_nats_disconnects_total",
    help: "Times that the connection to NATS broke.",
    registers,
  }),
  slow: new Counter({
    name: "agent_executor_nats_slow_consumer_total",
    help: "Times that messages came faster than they were read.",
    registers,
  }),
};
for (const status of ["completed", "failed"]) jobs.inc({ status }, 0);

export const runMetrics = {
  settled: (status: "completed" | "failed" | "cancelled" | "interrupted", seconds: number): void => {
    jobs.inc({ status });
    duration.observe(seconds);
  },
  takenOver: (): void => takeovers.inc(),
};

/** Those with a row of their own; a name that an operator or a sender chose never becomes a label. */
const PROVIDERS = new Set(
  `openai anthropic scripted echo aws bedrock cerebras cohere deepseek fireworks google google-genai
  google-vertexai groq mistralai ollama perplexity together xai`.split(/\s+/),
);
const providerLabel = (name: string): string => (PROVIDERS.has(name) ? name : "other");

export const modelMetrics = {
  called: (name: string, outcome: "ok" | "refused" | "unavailable" | "aborted"): void =>
    llm.requests.inc({ provider: providerLabel(name), outcome }),
  retried: (name: string): void => llm.retries.inc({ provider: providerLabel(name) }),
  fellBack: (name: string): void => llm.fallbacks.inc({ provider: providerLabel(name) }),
  waited: (name: string, seconds: number): void => {
    llm.waits.observe({ provider: providerLabel(name) }, seconds);
  },
  used: (name: string, tokens: { input: number; output: number; cached: number }): void => {
    const provider = providerLabel(name);
    for (const direction of ["input", "output", "cached"] as const) {
      llm.tokens.inc({ provider, direction }, tokens[direction]);
    }
  },
  /** What a call cost by the operator's price table; undefined: the table has no price for its model. */
  cost: (name: string, usd: number | undefined): void => {
    const provider = providerLabel(name);
    if (usd === undefined) llm.unpriced.inc({ provider });
    else llm.cost.inc({ provider }, usd);
  },
  gateOutage: (): void => llm.outages.inc(),
};

export const outboxMetrics = {
  looked: (figures: { pending: number; parked: number; oldestSeconds: number }): void => {
    outbox.pending.set(figures.pending);
    outbox.parked.set(figures.parked);
    outbox.oldest.set(figures.oldestSeconds);
  },
};

export const vaultMetrics = {
  loginFailed: (): void => vaultLogins.inc(),
};
export const agentMetrics = { badFiles: (count: number): void => badAgentFiles.set(count) };
export const natsMetrics = {
  ended: (outcome: "acknowledged" | "later" | "dead" | "exhausted"): void => nats.messages.inc({ outcome }),
  redelivered: (): void => nats.redelivered.inc(),
  inHand: (count: number): void => nats.inHand.set(count),
  paused: (seconds: number): void => nats.paused.inc(seconds),
  disconnected: (): void => nats.disconnects.inc(),
  slow: (): void => nats.slow.inc(),
};

export const databaseMetrics = {
  connectionFailed: (): void => databaseErrors.inc(),
};

export const streamMetrics = {
  published: (count: number): void => frames.inc(count),
  dropped: (count: number): void => droppedFrames.inc(count),
  refused: (count: number): void => redisErrors.inc(count),
};
