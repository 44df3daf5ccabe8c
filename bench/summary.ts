import { STARTS, type Start, type StartName } from "./start.ts";
import { median, medianOf, spread } from "./statistics.ts";
import { CALLERS, type Cell, SERVERS, type ServerName } from "./throughput.ts";

type Figure = number | undefined;
export type LoadRow = {
  callers: number;
  server: ServerName;
  perSecond: Figure;
  p50: Figure;
  p99: Figure;
  cpu: Figure;
  postgresCpu: Figure;
  errors: number;
  /** The best round by the worst one. */
  spread: number;
};
export type RatioRow = {
  callers: number;
  of: string;
  perSecond: Figure;
  p50: Figure;
  cpu: Figure;
  postgresCpu: Figure;
};
export type StartRow = {
  server: StartName;
  health: Figure;
  firstEvent: Figure;
  memoryMiB: Figure;
  errors: number;
};
export type StartRatio = { of: string; health: Figure; firstEvent: Figure; memoryMiB: Figure };

export function loadRows(cells: readonly Cell[]): LoadRow[] {
  return CALLERS.flatMap((callers) =>
    SERVERS.map((server) => {
      const rounds = cells.filter((cell) => cell.callers === callers && cell.server === server);
      return {
        callers,
        server,
        perSecond: medianOf(rounds, (cell) => cell.perSecond),
        p50: medianOf(rounds, (cell) => cell.p50),
        p99: medianOf(rounds, (cell) => cell.p99),
        cpu: medianOf(rounds, (cell) => cell.cpu),
        postgresCpu: medianOf(rounds, (cell) => cell.postgresCpu),
        errors: rounds.reduce((sum, cell) => sum + cell.errors, 0),
        spread: spread(rounds.map((cell) => cell.perSecond)),
      };
    }),
  );
}

/** Round by round and only then the median: what slows a round down slows both sides of its pairs. */
export function loadRatios(cells: readonly Cell[]): RatioRow[] {
  return CALLERS.flatMap((callers) =>
    (["naive", "limit", "echo"] as const).map((other) => {
      const of = (server: ServerName) =>
        cells.filter((cell) => cell.callers === callers && cell.server === server);
      const ratio = ratioOf(of("service"), of(other));
      return {
        callers,
        of: `service / ${other}`,
        perSecond: ratio((cell) => cell.perSecond),
        p50: ratio((cell) => cell.p50),
        cpu: ratio((cell) => cell.cpu),
        // The others ask nothing of Postgres: what little it does meanwhile is no measure.
        postgresCpu: other === "naive" ? ratio((cell) => cell.postgresCpu) : undefined,
      };
    }),
  );
}

export function startRows(starts: readonly Start[]): StartRow[] {
  return STARTS.map((server) => {
    const rounds = starts.filter((start) => start.server === server);
    return {
      server,
      health: medianOf(rounds, (start) => start.health),
      firstEvent: medianOf(rounds, (start) => start.firstEvent),
      memoryMiB: medianOf(rounds, (start) => start.memoryMiB),
      errors: rounds.reduce((sum, start) => sum + start.errors, 0),
    };
  });
}

export function startRatios(starts: readonly Start[]): StartRatio[] {
  const pairs = [
    ["service", "eager"],
    ["service", "echo"],
    ["embedded", "eager"],
  ] as const;
  return pairs.map(([one, other]) => {
    const of = (server: StartName) => starts.filter((start) => start.server === server);
    const ratio = ratioOf(of(one), of(other));
    return {
      of: `${one} / ${other}`,
      health: ratio((start) => start.health),
      firstEvent: ratio((start) => start.firstEvent),
      memoryMiB: ratio((start) => start.memoryMiB),
    };
  });
}

/** Both lists hold one item a round, in the same order. */
function ratioOf<T>(ones: readonly T[], others: readonly T[]): (read: (item: T) => Figure) => Figure {
  return (read) => {
    const ratios = ones.flatMap((one, round) => {
      const other = others[round];
      const [above, below] = [read(one), other && read(other)];
      return above === undefined || below === undefined || below === 0 ? [] : [above / below];
    });
    return ratios.length === 0 ? undefined : median(ratios);
  };
}
