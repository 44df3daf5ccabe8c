import type { Database } from "../postgres/database.ts";
import { noMore, OUTPUT, readArguments, unknownWord, wantsJson } from "./arguments.ts";
import { CommandFailed } from "./exit.ts";
import { onDatabase } from "./on-database.ts";
import { painter, tame } from "./paint.ts";
import type { CliTools } from "./tools.ts";
import { UsageError } from "./usage-error.ts";

/** db migrate | doctor | prune */
export async function db([what, ...args]: readonly string[], tools: CliTools): Promise<void> {
  if (what === "migrate") return await onDatabase(tools, (open) => migrateDatabase(open, args, tools));
  if (what === "doctor") return await onDatabase(tools, (open) => examineDatabase(open, args, tools));
  if (what === "prune") return await onDatabase(tools, (open) => prune(open, args, tools));
  throw unknownWord("db", what, ["migrate", "doctor", "prune"]);
}

async function migrateDatabase(open: Database, args: readonly string[], tools: CliTools): Promise<void> {
  const { values, positionals } = readArguments(args, OUTPUT);
  noMore(positionals, 0);
  const { migrate, migrationState } = await import("../postgres/migrate.ts");
  const { setUpCheckpoints } = await import("../checkpoints/set-up.ts");
  const { pending } = await migrationState(open);
  await migrate(open, [(tx) => setUpCheckpoints(tx, open.schema)]);
  if (wantsJson(values, tools)) return tools.print(JSON.stringify({ applied: pending }));
  for (const name of pending) tools.print(`applied ${name}`);
  tools.print(`schema ${open.schema} is up to date`);
}

async function examineDatabase(open: Database, args: readonly string[], tools: CliTools): Promise<void> {
  const { values, positionals } = readArguments(args, OUTPUT);
  noMore(positionals, 0);
  const { migrationState } = await import("../postgres/migrate.ts");
  const { pending } = await migrationState(open);
  if (pending.length > 0) {
    throw new CommandFailed(
      `${pending.length} migrations are pending: agent-executor db migrate applies them`,
    );
  }
  const { lookAtData } = await import("./db-doctor.ts");
  const { tables, findings } = await lookAtData(open, await tools.retentionDays());
  if (wantsJson(values, tools)) tools.print(JSON.stringify({ ok: findings.length === 0, tables, findings }));
  else {
    const paint = painter(tools);
    tools.print(paint("bold", `${"table".padEnd(22)} ${"rows".padStart(10)} ${"size".padStart(10)}  oldest`));
    for (const { table, rows, bytes, oldest } of tables) {
      tools.print(
        `${table.padEnd(22)} ${String(rows).padStart(10)} ${inUnits(bytes).padStart(10)}  ${oldest ?? ""}`.trimEnd(),
      );
    }
    for (const { what, count, example, fix } of findings) {
      tools.print(
        `${paint("yellow", "problem")}  ${count} ${what}${example === null ? "" : ` (${tame(example)})`}. Fix: ${fix}`,
      );
    }
    if (findings.length === 0) tools.print(paint("green", "nothing is stuck, parked or overdue"));
  }
  if (findings.length > 0) throw new CommandFailed(`${findings.length} kinds of problems were found`);
}

async function prune(open: Database, args: readonly string[], tools: CliTools): Promise<void> {
  const { values, positionals } = readArguments(args, { ...OUTPUT, days: { type: "string" } });
  noMore(positionals, 0);
  if (values.days !== undefined && !/^[1-9]\d{0,3}$/.test(values.days)) {
    throw new UsageError("--days takes a whole number from 1");
  }
  const days = values.days === undefined ? await tools.retentionDays() : Number(values.days);
  const { deleteExpired } = await import("../runs/retention.ts");
  const jobs = await deleteExpired({ db: open, days });
  if (wantsJson(values, tools)) return tools.print(JSON.stringify({ jobs, days }));
  tools.print(`deleted ${jobs} ${jobs === 1 ? "job" : "jobs"} that ended more than ${days} days ago`);
}

function inUnits(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${units[power]}`;
}
