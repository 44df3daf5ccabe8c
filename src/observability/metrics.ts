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
const badAgentFiles = gauge(
  "agent_executor_agent_files_bad",
  "Files in AGENTS_DIR that cannot be used as they are.",
);
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

export const agentMetrics = { badFiles: (count: number): void => badAgentFiles.set(count) };

export const databaseMetrics = {
  connectionFailed: (): void => databaseErrors.inc(),
};
