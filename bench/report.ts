import type { CompileRow } from "./compile.ts";
import type { DoorSummary } from "./doors.ts";
import type { RoundTrips } from "./round-trips.ts";
import { median } from "./statistics.ts";
import type { LoadRow, RatioRow, StartRatio, StartRow } from "./summary.ts";
import type { ServerName } from "./throughput.ts";

export type Summary = {
  load: LoadRow[];
  loadRatios: RatioRow[];
  start: StartRow[];
  startRatios: StartRatio[];
  compile: CompileRow;
  roundTrips: { service: RoundTrips; stock: RoundTrips; ratio: number };
  doors: { rows: DoorSummary; cpuRatio: number | undefined };
};

const LABELS: Record<ServerName, string> = {
  service: "service",
  naive: "naive (Fastify + invoke + stock saver)",
  limit: "limit (naive without a saver)",
  echo: "echo (bare Fastify)",
};
const START_LABELS = {
  service: "service, Postgres server",
  embedded: "service, embedded Postgres, new folder",
  eager: "eager (imports everything, unbundled)",
  echo: "echo (bare Fastify, bundled)",
};

/** Everything that people read; the JSON has all rounds. */
export function asText(summary: Summary, rounds: number, seconds: number): string {
  const { load, loadRatios, start, startRatios, compile } = summary;
  return [
    `Under load: medians of ${rounds} interleaved rounds of ${seconds} s; CPU in ms a request`,
    table(
      ["c", "server", "req/s", "p50 ms", "p99 ms", "CPU", "Postgres CPU", "errors", "max/min"],
      load.map((row) => [
        row.callers,
        LABELS[row.server],
        show(row.perSecond, 0),
        show(row.p50, 1),
        show(row.p99, 1),
        show(row.cpu, 2),
        show(row.postgresCpu, 2),
        row.errors,
        show(row.spread, 2),
      ]),
    ),
    "Ratios under load: medians of the ratios of each round",
    table(
      ["c", "", "req/s", "p50", "CPU", "Postgres CPU"],
      loadRatios.map((row) => [
        row.callers,
        row.of,
        ...[row.perSecond, row.p50, row.cpu, row.postgresCpu].map(times),
      ]),
    ),
    "Start: ms from exec",
    table(
      ["server", "/health", "first event", "RSS MiB", "errors"],
      start.map((row) => [
        START_LABELS[row.server],
        ...[row.health, row.firstEvent, row.memoryMiB].map((figure) => show(figure, 0)),
        row.errors,
      ]),
    ),
    "Ratios at the start",
    table(
      ["", "/health", "first event", "RSS"],
      startRatios.map((row) => [row.of, ...[row.health, row.firstEvent, row.memoryMiB].map(times)]),
    ),
    "One event of a 5-sub-agent agent, compiled and run in one process",
    table(
      ["agent", "p50 ms", "by ours"],
      [
        ["from the cache", show(compile.cached, 1), ""],
        ["compiled per event", show(compile.perEvent, 1), times(compile.ratio)],
        ["by hand per event (createDeepAgent)", show(compile.stockPerEvent, 1), times(compile.stockRatio)],
      ],
    ),
    ...roundTripLines(summary.roundTrips),
    `The doors of one process, 32 at once (CPU nats / http: ${times(summary.doors.cpuRatio)})`,
    table(
      ["door", "runs/s", "CPU ms a run"],
      summary.doors.rows.map(({ door, perSecond, cpu }) => [door, show(perSecond, 0), show(cpu, 2)]),
    ),
    "",
    noiseLine(load, rounds),
  ].join("\n");
}

function roundTripLines({ service, stock, ratio }: Summary["roundTrips"]): string[] {
  const statements = ({ byStatement }: RoundTrips) =>
    Object.entries(byStatement)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  return [
    `Statements to Postgres an event, one at a time (service / stock: ${times(ratio)})`,
    table(
      ["server", "statements", "which"],
      [
        ["service", show(service.perEvent, 1), statements(service)],
        ["stock saver alone", show(stock.perEvent, 1), statements(stock)],
      ],
    ),
  ];
}

function noiseLine(load: readonly LoadRow[], rounds: number): string {
  if (rounds === 1) return "Noise: not known, there was one round. A difference means nothing.";
  const spreads = load.map((row) => row.spread);
  const [usual, worst] = [median(spreads), Math.max(...spreads)];
  return `Noise: the best round of a row was ${show(usual, 2)} times its worst one (median; at most ${show(worst, 2)}). Differences under 20 % mean nothing.`;
}

/** What the first row has as text stands to the left, figures to the right. */
function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const isText = head.map((_, i) => /^[a-z]/.test(String(rows[0]?.[i])) && rows[0]?.[i] !== "n/a");
  const cell = (text: string, i: number) =>
    isText[i] ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0);
  return `${cells.map((row) => `  ${row.map(cell).join("  ")}`.trimEnd()).join("\n")}\n`;
}

function show(figure: number | undefined, digits: number): string {
  return figure === undefined || Number.isNaN(figure) ? "n/a" : figure.toFixed(digits);
}

function times(figure: number | undefined): string {
  return figure === undefined || Number.isNaN(figure) ? "n/a" : `${figure.toFixed(figure < 0.1 ? 3 : 2)}x`;
}
