import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** Callers say what happened in words of the domain; only this file knows instruments and labels. */
export const registry = new Registry();
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
// Nothing counts up this one and the one for Redis before those two are connected to; they are there
// at 0 from the start, because dashboards of the reference service ask for them.
new Counter({
  name: "agent_executor_vault_auth_failures_total",
  help: "Logins to Vault that failed.",
  registers,
});
const databaseErrors = new Counter({
  name: "agent_executor_db_connection_errors_total",
  help: "Connections to Postgres that failed or broke.",
  registers,
});
new Counter({
  name: "agent_executor_redis_publish_errors_total",
  help: "Stream frames that Redis did not take.",
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

export const outboxMetrics = {
  looked: (figures: { pending: number; parked: number; oldestSeconds: number }): void => {
    outbox.pending.set(figures.pending);
    outbox.parked.set(figures.parked);
    outbox.oldest.set(figures.oldestSeconds);
  },
};

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
