import type { TestDatabase } from "../support/databases.ts";
import type { Sink } from "../support/sink.ts";

/** How large: `small` for `npm test`, `usual` for `npm run faults`, `full` with `--full`. */
export type Scale = "small" | "usual" | "full";

/** One promise in numbers. */
export type Figure = { what: string; wanted: string; got: string; ok: boolean };

export type Scenario = {
  /** T1, T2, … */
  id: string;
  title: string;
  run(scale: Scale, say: (line: string) => void): Promise<Figure[]>;
};

/** The number for this scale. */
export function sized<T>(scale: Scale, sizes: Record<Scale, T>): T {
  return sizes[scale];
}

export function exactly(what: string, wanted: number | string, got: number | string): Figure {
  return { what, wanted: String(wanted), got: String(got), ok: wanted === got };
}

export function atMost(what: string, limit: number, got: number, unit = ""): Figure {
  const shown = Number.isInteger(got) ? String(got) : got.toFixed(2);
  return { what, wanted: `≤ ${limit}${unit}`, got: `${shown}${unit}`, ok: got <= limit };
}

export function atLeast(what: string, limit: number, got: number): Figure {
  return { what, wanted: `≥ ${limit}`, got: String(got), ok: got >= limit };
}

/** The figures that hold for every scenario: each event one outcome, each result once by id, nothing left. */
export async function outcomeFigures(database: TestDatabase, sink: Sink, events: number): Promise<Figure[]> {
  const [row] = await database.sql(
    `select count(*)::int as runs,
            count(*) filter (where status in ('completed', 'failed', 'cancelled'))::int as final
       from agent_executor.runs`,
  );
  const ids = new Set(sink.accepted().map((event) => event.id));
  const bytes = new Map<string, string>();
  let changed = 0;
  for (const { event, body } of sink.received) {
    if (event === undefined) continue;
    const before = bytes.get(event.id);
    if (before !== undefined && before !== body.toString()) changed++;
    bytes.set(event.id, body.toString());
  }
  return [
    exactly("runs", events, Number(row?.["runs"])),
    exactly("runs that ended", events, Number(row?.["final"])),
    exactly("distinct results at the sink", events, ids.size),
    exactly("results whose bytes changed between deliveries", 0, changed),
  ];
}
