import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Database } from "../../src/postgres/database.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { serverPort } from "../support/ports.ts";
import { runCommand } from "../support/process.ts";
import { aRun } from "../support/runs.ts";
import type { Attempt, Line, Place, Plan, Report, Work } from "./plan.ts";
import { type Script, type Story, StoryInHand } from "./story.ts";

export type Laboratory = {
  db: Database;
  /** Runs a graph through these attempts, each in another process, which all but the last one kills. */
  story(graph: string, ...attempts: Attempt[]): Promise<Story>;
  /** Many runs at once: one process has the first attempts of all in hand, the next one the second. */
  stories(scripts: readonly Script[]): Promise<Story[]>;
  close(): Promise<void>;
};

type Means = { database: TestDatabase; db: Database; child: string };

/** A database with a table of effects, and the child in one file: it starts three times as fast. */
export async function openLaboratory(): Promise<Laboratory> {
  const folder = await mkdtemp(join(tmpdir(), "agent-executor-resume-"));
  const [database, child] = await Promise.all([freshDatabase({ mayLeak: true }), bundle(folder)]);
  // Nothing here ends the server, so its commits need not wait for the disk.
  await database.sql(`alter database ${database.database} set synchronous_commit = off`);
  const db = serverPort(database, 4);
  await database.sql(
    `create table public.effects (no bigserial, run_id uuid, attempt integer, step text,
       at timestamptz default now(), pid integer, info jsonb)`,
  );
  await database.sql("create index on public.effects (run_id)");
  const stories = inBatches((scripts) => tell({ database, db, child }, scripts));
  return {
    db,
    stories,
    story: async (graph, ...attempts) => one(await stories([{ graph, attempts }])),
    close: async () => {
      await db.close();
      await database[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

/** Scripts that come in at the same time share their processes, unless they want a clock of their own. */
function inBatches(tellAll: (scripts: Script[]) => Promise<Story[]>): Laboratory["stories"] {
  let batch: { scripts: Script[]; told: Promise<Story[]> } | undefined;
  const join = (scripts: readonly Script[]) => {
    if (batch === undefined) {
      const scripts: Script[] = [];
      const told = delay(5).then(() => {
        batch = undefined;
        return tellAll(scripts);
      });
      batch = { scripts, told };
    }
    const { scripts: all, told } = batch;
    const from = all.push(...scripts) - scripts.length;
    return told.then((stories) => stories.slice(from, from + scripts.length));
  };
  const hasOwnClock = ({ clockHours, clockJumpsAfter }: Attempt) => clockHours ?? clockJumpsAfter;
  return async (scripts) =>
    scripts.some(({ attempts }) => attempts.some(hasOwnClock))
      ? await tellAll([...scripts])
      : await join(scripts);
}

/** A run that was left alone, and the same one cut at each of these places, once or twice in a row. */
export type CutEverywhere = { calm: Story; cut: { dies: Place; story: Story }[] };

/** Cuts a graph around each effect and, unless told otherwise, around each statement of its saver. */
export async function cutEverywhere(
  lab: Laboratory,
  graph: string,
  { times = 2, only = () => true }: { times?: 1 | 2; only?(place: Place): boolean } = {},
): Promise<CutEverywhere> {
  const calm = await lab.story(graph, {});
  const all = places(calm).filter(only);
  const scripts = all.map((dies) => {
    const attempts: Attempt[] = [{ dies }, { dies, orEnds: true }, {}];
    return { graph, attempts: attempts.slice(2 - times) };
  });
  const stories = await lab.stories(scripts);
  const cut = stories.flatMap((story, index) => all.slice(index, index + 1).map((dies) => ({ dies, story })));
  return { calm, cut };
}

function places({ ran, calls }: Story): Place[] {
  const all: Place[] = [];
  for (const when of ["before", "after"] as const) {
    for (const step of Object.keys(ran)) all.push({ step, when });
    for (const saver of ["put", "putWrites"] as const) {
      for (let nth = 1; nth <= calls[saver]; nth++) all.push({ saver, nth, when });
    }
  }
  return all;
}

export function one<T>(values: readonly T[]): T {
  const [value] = values;
  if (value === undefined || values.length > 1) throw new Error(`one was expected, not ${values.length}`);
  return value;
}

async function bundle(folder: string): Promise<string> {
  const outfile = join(folder, "child.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL("./child.ts", import.meta.url))],
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["pg-native"],
    banner: { js: "import {createRequire} from 'node:module';const require=createRequire(import.meta.url);" },
    outfile,
    logLevel: "error",
  });
  return outfile;
}

async function tell(means: Means, scripts: readonly Script[]): Promise<Story[]> {
  const all = await Promise.all(
    scripts.map(async (script) => {
      const jobId = script.turn?.jobId ?? randomUUID();
      return new StoryInHand(script, await aRun(means.db, jobId));
    }),
  );
  for (let round = 0; ; round++) {
    const stories = all.filter(({ script }) => round < script.attempts.length);
    if (stories.length === 0) break;
    if (round > 0) await Promise.all(stories.map(({ runId }) => takeOver(means.db, runId)));
    const reports = await runProcess(
      means,
      stories.map((story) => story.plan(round)),
    );
    await Promise.all(stories.map((story) => story.end(round, reports.get(story.runId), means.db)));
  }
  // As settled as a next turn needs it.
  await Promise.all(all.map(({ runId }) => settle(means.db, runId)));
  return all.map((story) => story.told());
}

async function runProcess(
  { database, child }: Means,
  plans: Plan[],
): Promise<Map<string, Report | undefined>> {
  const { host, port, user, password, database: name } = database;
  const work: Work = { database: { host, port, user, password, database: name }, plans };
  const ended = await runCommand(process.execPath, [child, JSON.stringify(work)], { timeoutMs: 60_000 });
  const { code, signal, stdout, stderr } = ended;
  const lines = stdout.split("\n").filter(Boolean);
  const ends = lines.map((line) => JSON.parse(line) as Line); // the child wrote it
  const isKilled = ends.some(({ report }) => report === undefined);
  if (ends.length < plans.length || stderr !== "" || (isKilled ? signal !== "SIGKILL" : code !== 0)) {
    throw new Error(`the process ended with ${code ?? signal}\n${stdout}\n${stderr}`);
  }
  return new Map(ends.map(({ runId, report }) => [runId, report]));
}

/** What the claim of another process does to a run. */
async function takeOver(db: Database, runId: string): Promise<void> {
  await db.query("take-over", "update runs set attempt = attempt + 1 where run_id = $1", [runId]);
}

async function settle(db: Database, runId: string): Promise<void> {
  await db.query("settle", "update runs set status = 'completed' where run_id = $1", [runId]);
}
