import type { Trace } from "../runs/trace.ts";
import { apiOf, jobPath } from "./api.ts";
import { noMore, OUTPUT, REMOTE, readArguments, required, wantsJson } from "./arguments.ts";
import { onDatabase } from "./on-database.ts";
import { painter } from "./paint.ts";
import type { CliTools } from "./tools.ts";

/** The tree of a job: from the service, or with --database from the database that is configured. */
export async function trace(args: readonly string[], tools: CliTools): Promise<void> {
  const options = { ...REMOTE, ...OUTPUT, database: { type: "boolean" } } as const;
  const { values, positionals } = readArguments(args, options);
  noMore(positionals, 1);
  const jobId = required(positionals[0], "the job's id");
  const found = values.database
    ? await fromDatabase(jobId, tools)
    : ((await apiOf(values, tools).get(jobPath(jobId, "/trace"))) as Trace); // the contract of the route
  if (wantsJson(values, tools)) return tools.print(JSON.stringify(found));
  const { treeLines } = await import("./trace-tree.ts");
  for (const line of treeLines(found, painter(tools))) tools.print(line);
}

async function fromDatabase(jobId: string, tools: CliTools): Promise<Trace> {
  const { readTrace } = await import("../runs/trace.ts");
  return await onDatabase(tools, (db) => readTrace(db, jobId));
}
