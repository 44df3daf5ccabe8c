import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { startServices } from "../support/services.ts";
import type { Figure, Scale } from "./scenario.ts";
import { scenarios } from "./scenarios.ts";

// faults [--full | --small] [--only T1,T6] [--json file]
const args = process.argv.slice(2);
const scale: Scale = args.includes("--full") ? "full" : args.includes("--small") ? "small" : "usual";
const only = optionOf("--only")?.split(",");
const json = optionOf("--json") ?? "bench/results/faults.json";

function optionOf(name: string): string | undefined {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args[at + 1];
}

type Row = { id: string; title: string; seconds: number; figures: Figure[] };

const services = await startServices(["postgres"]);
const rows: Row[] = [];
try {
  for (const { id, title, run } of scenarios.filter((each) => !only || only.includes(each.id))) {
    console.log(`\n${id} ${title}`);
    const startedAt = performance.now();
    const figures = await run(scale, (line) => console.log(`   … ${line}`)).catch((error: unknown) => [
      broken(error),
    ]);
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
    for (const figure of figures)
      console.log(`   ${figure.ok ? "ok  " : "MISS"} ${figure.what}: ${figure.got} (${figure.wanted})`);
    console.log(`   ${seconds} s`);
    rows.push({ id, title, seconds, figures });
  }
} finally {
  await services.stop();
}

/** A scenario that could not be played to its end has missed. */
function broken(error: unknown): Figure {
  const got = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { what: "played to its end", wanted: "yes", got, ok: false };
}

mkdirSync(dirname(json), { recursive: true });
writeFileSync(json, `${JSON.stringify({ scale, at: new Date().toISOString(), rows }, null, 2)}\n`);
const missed = rows.filter((row) => row.figures.some((figure) => !figure.ok));
const total = rows.reduce((sum, row) => sum + row.seconds, 0);
console.log(
  `\n${rows.length - missed.length} passed, ${missed.length} failed, ${Math.round(total)} s, written to ${json}`,
);
// A scenario that broke off may have left workers behind, and they would hold us.
process.exit(missed.length === 0 ? 0 : 1);
