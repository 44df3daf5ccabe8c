import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { Lifetime } from "../src/lifetime/lifetime.ts";
import { blindEdition } from "./blind-edition.ts";
import type { Options } from "./options.ts";
import type { Programs } from "./programs.ts";
import { plans, startServer } from "./servers.ts";
import { median } from "./statistics.ts";
import { measureOne, warmUp } from "./throughput.ts";

const CALLERS = 8;

/** CPU of the service in ms a run: blind, as delivered without a collector, and with all there is. */
export type TelemetryRound = { off: number; metrics: number; all: number; bytes: number; errors: number };

/** The same load in turns: nothing watched or said; figures alone; figures, lines and spans. */
export async function measureTelemetry(
  programs: Programs,
  options: Options,
  say: (line: string) => void,
): Promise<TelemetryRound[]> {
  say("telemetry: a run that is watched by all there is, by figures alone, and not at all");
  const lifetime = new Lifetime();
  try {
    const collector = await startCounter(lifetime);
    const blind = await blindEdition(`node_modules/.cache/bench-blind-${process.pid}`);
    const start = async (program: string, env: Record<string, string>) => {
      const plan = await plans.onDatabase(program, lifetime);
      const server = await startServer({ program, env: { ...plan.env, ...env } }, lifetime);
      await warmUp(server.url, options);
      return server;
    };
    const off = await start(blind, { LOG_LEVEL: "silent" });
    const metrics = await start(programs.service, { LOG_LEVEL: "silent" });
    const all = await start(programs.service, {
      LOG_LEVEL: "info",
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    });
    const servers = [
      ["off", off],
      ["metrics", metrics],
      ["all", all],
    ] as const;
    const rounds: TelemetryRound[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const bytesBefore = collector.bytes;
      const cpu = { off: Number.NaN, metrics: Number.NaN, all: Number.NaN };
      let errors = 0;
      // Each is first in its turn: whoever follows a heavy load finds the machine warm.
      const inOrder = [...servers.slice(round % 3), ...servers.slice(0, round % 3)];
      for (const [name, server] of inOrder) {
        const cell = await measureOne(server, CALLERS, options.seconds, () => undefined);
        cpu[name] = cell.cpu ?? Number.NaN;
        errors += cell.errors;
      }
      rounds.push({ ...cpu, bytes: collector.bytes - bytesBefore, errors });
    }
    return rounds;
  } finally {
    await lifetime.close();
  }
}

/** A collector that takes everything and counts its bytes. */
async function startCounter(lifetime: Lifetime): Promise<{ url: string; bytes: number }> {
  const counter = { url: "", bytes: 0 };
  const server = createServer((request, response) => {
    request.on("data", (chunk: Buffer) => {
      counter.bytes += chunk.length;
    });
    request.on("end", () => response.writeHead(200, { "content-type": "application/x-protobuf" }).end());
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", () => done()));
  lifetime.own(server, (each) => {
    each.closeAllConnections();
    each.close();
  });
  counter.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on TCP
  return counter;
}

export function telemetryText(rounds: readonly TelemetryRound[]): string {
  const of = (read: (round: TelemetryRound) => number) => median(rounds.map(read));
  const ms = (read: (round: TelemetryRound) => number) => `${of(read).toFixed(2)} ms`;
  const ratio = (read: (round: TelemetryRound) => number) => `${of(read).toFixed(2)}x`;
  return [
    `Telemetry: CPU of the service a run, ${CALLERS} callers; ratios are medians of the ratios of each round`,
    `  nothing watched, nothing said            ${ms(({ off }) => off)}`,
    `  metrics                                  ${ms(({ metrics }) => metrics)}  ${ratio(({ metrics, off }) => metrics / off)}`,
    `  metrics, log lines and exported spans    ${ms(({ all }) => all)}  ${ratio(({ all, off }) => all / off)}`,
    "",
  ].join("\n");
}
