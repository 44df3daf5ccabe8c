import { mkdir, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import pg from "pg";
import { serviceUrl } from "../test/support/environment.ts";
import { startServices } from "../test/support/services.ts";
import { measureCompile } from "./compile.ts";
import { doorSummary, measureDoors } from "./doors.ts";
import { type Options, readOptions } from "./options.ts";
import { type Programs, preparePrograms } from "./programs.ts";
import { asText, type Summary } from "./report.ts";
import { countRoundTrips } from "./round-trips.ts";
import { measureStarts } from "./start.ts";
import { measureStreams, streamsText } from "./streams.ts";
import { loadRatios, loadRows, startRatios, startRows } from "./summary.ts";
import { measureTelemetry, telemetryText } from "./telemetry.ts";
import { measureThroughput } from "./throughput.ts";

/** Progress goes to stderr: stdout is the table. */
const say = (line: string) => console.error(line);

async function main(options: Options): Promise<void> {
  await using _services = await startServices(["postgres", "redis"], say);
  try {
    await using programs = await preparePrograms();
    const results = await measure(programs, options);
    await publish(results, options);
    if (results.errors > 0) process.exitCode = 1;
  } catch (error) {
    say(error instanceof Error ? String(error.stack) : String(error));
    process.exitCode = 1;
  }
}

type Results = Awaited<ReturnType<typeof measure>>;

async function measure(programs: Programs, options: Options) {
  const takenAt = new Date().toISOString();
  const machine = await describeMachine();
  const compile = await measureCompile(options, say);
  const roundTrips = await countRoundTrips(programs, options, say);
  const starts = await measureStarts(programs, options, say);
  const cells = await measureThroughput(programs, options, say);
  say("streams: a run whose tokens are read by 50, 10 of them stuck, and by nobody");
  const streams = await measureStreams(options.rounds, options.streamedRuns);
  const doors = await measureDoors(programs, options, say);
  const telemetry = await measureTelemetry(programs, options, say);
  const { service, stock } = roundTrips;
  const summary: Summary = {
    load: loadRows(cells),
    loadRatios: loadRatios(cells),
    start: startRows(starts),
    startRatios: startRatios(starts),
    compile,
    roundTrips: { service, stock, ratio: service.perEvent / stock.perEvent },
    doors: doorSummary(doors),
  };
  const counted = [service, stock, ...starts, ...cells, ...doors, ...telemetry];
  const errors = counted.reduce((sum, each) => sum + each.errors, 0);
  const { results: _, ...settings } = options;
  const rounds = { load: cells, start: starts, doors, streams, telemetry };
  return { takenAt, machine, settings, errors, summary, rounds };
}

async function publish(results: Results, { rounds, seconds, results: folder }: Options): Promise<void> {
  const { takenAt, machine, errors, summary } = results;
  const file = join(folder, `${takenAt.replaceAll(":", "-")}.json`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, `${JSON.stringify(results, null, 2)}\n`);
  console.log(`${machine.cpus} x ${machine.cpu}, Node ${machine.node}, Postgres ${machine.postgres}\n`);
  console.log(asText(summary, rounds, seconds));
  console.log(streamsText(results.rounds.streams));
  console.log(telemetryText(results.rounds.telemetry));
  say(file);
  if (errors === 0) return;
  const all = [...results.rounds.start, ...results.rounds.load, ...results.rounds.doors];
  const first = all.find((each) => each.firstError !== undefined)?.firstError;
  say(`${errors} answers were wrong or missing; the first: ${first ?? "while counting statements"}`);
}

/** What one must know to compare two results. */
async function describeMachine() {
  const client = new pg.Client({ connectionString: serviceUrl("postgres") });
  await client.connect();
  try {
    const { rows } = await client.query<{ version: string }>(
      "select current_setting('server_version') as version",
    );
    const processors = cpus();
    return {
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
      cpus: processors.length,
      cpu: processors[0]?.model.trim() ?? "unknown",
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      postgres: rows[0]?.version ?? "unknown",
    };
  } finally {
    await client.end();
  }
}

void main(readOptions(process.argv.slice(2)));
