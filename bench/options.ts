import { resolve } from "node:path";
import { parseArgs } from "node:util";

export type Options = {
  rounds: number;
  /** How long one server is under load at a time. */
  seconds: number;
  /** Rounds of starts that nobody looks at: the first fills the disk cache. */
  coldStarts: number;
  /** Requests that a server answers before anything is measured. */
  warmUp: number;
  /** Events that are counted for the round trips. */
  events: number;
  /** Runs whose tokens are read, in each round. */
  streamedRuns: number;
  /** The folder that the JSON goes to. */
  results: string;
};

const USAGE = `npm run bench -- [--quick] [--rounds N] [--seconds N] [--results FOLDER]
  --quick    one round of 1 s: does it work, not how fast is it
  --rounds   interleaved rounds (5)
  --seconds  under load, for each server and concurrency of a round (3)
  --results  where the JSON goes (bench/results)`;

export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      seconds: { type: "string" },
      results: { type: "string", default: resolve(import.meta.dirname, "results") },
    },
  });
  const options = {
    rounds: Number(values.rounds ?? (values.quick ? 1 : 5)),
    seconds: Number(values.seconds ?? (values.quick ? 1 : 3)),
    coldStarts: values.quick ? 0 : 1,
    warmUp: values.quick ? 1 : 2000,
    events: values.quick ? 20 : 100,
    streamedRuns: values.quick ? 3 : 24,
    results: resolve(values.results),
  };
  if (!(Number.isInteger(options.rounds) && options.rounds > 0 && options.seconds > 0))
    throw new Error(USAGE);
  return options;
}
