import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, Histogram } from "prom-client";
import { registry } from "./registry.ts";
import { tallies } from "./tallies.ts";

const registers = [registry];
const PREFIX = "agent_executor_";

const gauge = (name: string, help: string, collect?: (this: Gauge) => void) =>
  new Gauge({ name: PREFIX + name, help, registers, ...(collect && { collect }) });
const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
  new Counter<L>({ name: PREFIX + name, help, labelNames: [...labelNames], registers });

new Counter({
  name: `${PREFIX}events_total`,
  help: "Events by the door they came through and what became of them.",
  labelNames: ["door", "outcome"],
  registers,
  collect() {
    this.reset();
    for (const { count, ...labels } of tallies.events()) this.inc(labels, count);
  },
});
new Counter({
  name: `${PREFIX}log_lines_dropped_total`,
  help: "Log lines that were left out because too many were alike.",
  registers,
  collect() {
    this.reset();
    this.inc(tallies.linesLeftOut());
  },
});
const active = gauge("runs_active", "Runs that this process has at work, each under a lease of its own.");
const attempts = counter("run_attempts_total", "Attempts at runs by how they ended.", ["outcome"]);
const leases = counter("lease_renewals_total", "Leases by what became of their renewal.", ["outcome"]);
const runs = {
  queued: gauge("runs_queued", "Runs that wait for a place or for their turn, in the whole service."),
  oldest: gauge("runs_queued_oldest_seconds", "Age of the oldest run that waits."),
  waiting: gauge("runs_waiting", "Runs that wait for a person, in the whole service."),
  expired: gauge("runs_expired_leases", "Runs whose worker is silent and that nobody has taken up yet."),
};
const nodes = new Histogram({
  name: `${PREFIX}node_duration_seconds`,
  help: "Time in a node of a graph, by its kind.",
  labelNames: ["kind"],
  buckets: [0.001, 0.01, 0.1, 0.5, 1, 5, 15, 60, 300],
  registers,
});
const tools = counter("tool_calls_total", "Calls of tools by their kind and how they ended.", [
  "kind",
  "outcome",
]);
const checkpoints = {
  writes: counter("checkpoint_writes_total", "Checkpoints that were written, of graphs and sub-graphs."),
  bytes: counter("checkpoint_bytes_total", "Bytes of checkpoints and of results of their tasks."),
};
const graphs = counter("graph_cache_total", "Looks for a compiled graph.", ["result"]);
const sandbox = new Histogram({
  name: `${PREFIX}sandbox_run_duration_seconds`,
  help: "Time of scripts in the sandbox, by how they ended.",
  labelNames: ["outcome"],
  buckets: [0.001, 0.01, 0.1, 0.5, 1, 5, 30, 120],
  registers,
});
const spans = counter("spans_total", "Spans by what became of them.", ["outcome"]);
// There from the start: a rate over a series that appears with its first failure misses that one.
for (const outcome of ["kept", "lost", "failed"]) leases.inc({ outcome }, 0);
for (const outcome of ["exported", "failed", "dropped"]) spans.inc({ outcome }, 0);
for (const result of ["hit", "miss"]) graphs.inc({ result }, 0);

export type Ending = "ok" | "failed" | "interrupted" | "aborted";

export const attemptMetrics = {
  began: (): void => active.inc(),
  ended: (
    outcome: "completed" | "failed" | "cancelled" | "interrupted" | "postponed" | "lost" | "abandoned",
  ): void => {
    active.dec();
    attempts.inc({ outcome });
  },
  leasesRenewed: (outcome: "kept" | "lost" | "failed", count: number): void => leases.inc({ outcome }, count),
};

export type QueueFigures = { queued: number; oldestSeconds: number; waiting: number; expired: number };

export const queueMetrics = {
  looked: (figures: QueueFigures): void => {
    runs.queued.set(figures.queued);
    runs.oldest.set(figures.oldestSeconds);
    runs.waiting.set(figures.waiting);
    runs.expired.set(figures.expired);
  },
};

/** What a node does; its name is the author's and never becomes a label. */
const NODE_KINDS = new Set(
  "model tools middleware agent orchestrator specialist tool router python approval graph".split(" "),
);
const TOOL_KINDS = new Set("http javascript python mcp builtin module delegate".split(" "));

export const nodeMetrics = {
  ended: (kind: string, seconds: number): void =>
    nodes.observe({ kind: NODE_KINDS.has(kind) ? kind : "other" }, seconds),
};

export const toolMetrics = {
  called: (kind: string, outcome: Ending): void =>
    tools.inc({ kind: TOOL_KINDS.has(kind) ? kind : "other", outcome }),
  /** A script in the sandbox has ended. */
  ranScript: (outcome: "ok" | "failed" | "timeout" | "limit", seconds: number): void =>
    sandbox.observe({ outcome }, seconds),
};

export const checkpointMetrics = {
  wrote: (count: number, bytes: number): void => {
    checkpoints.writes.inc(count);
    checkpoints.bytes.inc(bytes);
  },
  wroteResults: (bytes: number): void => checkpoints.bytes.inc(bytes),
};

export const graphMetrics = { looked: (result: "hit" | "miss"): void => graphs.inc({ result }) };

export const telemetryMetrics = {
  spans: (outcome: "exported" | "failed" | "dropped", count: number): void => spans.inc({ outcome }, count),
};

/** Connections of one pool at this moment. */
export type PoolLook = () => { open: number; idle: number; waiting: number };
const pools = new Set<PoolLook>();
const ofPools = (read: (look: ReturnType<PoolLook>) => number) =>
  function (this: Gauge): void {
    this.set([...pools].reduce((sum, look) => sum + read(look()), 0));
  };
gauge(
  "db_connections_used",
  "Connections to Postgres that are in use.",
  ofPools(({ open, idle }) => open - idle),
);
gauge(
  "db_connections_idle",
  "Connections to Postgres that are open and free.",
  ofPools(({ idle }) => idle),
);
gauge(
  "db_connections_waited_for",
  "Statements that wait for a connection.",
  ofPools(({ waiting }) => waiting),
);

export const poolMetrics = {
  /** Its figures are read at each scrape, until the function that comes back is called. */
  watch: (look: PoolLook): (() => void) => {
    pools.add(look);
    return () => pools.delete(look);
  },
};

let delay: IntervalHistogram | undefined;
gauge(
  "event_loop_lag_seconds",
  "Longest time that the process stood still since the last scrape.",
  function () {
    if (delay === undefined) {
      delay = monitorEventLoopDelay({ resolution: 20 });
      delay.enable();
    }
    this.set(delay.count === 0 ? 0 : Math.max(0, delay.max / 1e9 - 0.02));
    delay.reset();
  },
);
