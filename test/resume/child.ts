import process from "node:process";
import { Command } from "@langchain/langgraph";
import pg from "pg";
import { openServer } from "../../src/postgres/server.ts";
import { BreakingSaver } from "./breaking-saver.ts";
import { graphs } from "./graphs/all.ts";
import { Life, shiftClock } from "./life.ts";
import type { Interrupt, Line, Report, Work } from "./plan.ts";

/** A process with runs in hand. It kills itself once each of them has ended or stopped to be cut. */
const work = JSON.parse(String(process.argv[2])) as Work;
const clockHours = work.plans[0]?.clockHours;
if (clockHours !== undefined) shiftClock(clockHours);

const effects = new pg.Pool({ ...work.database, max: 2 });
const db = openServer({
  ...work.database,
  schema: "agent_executor",
  poolSize: 4,
  lockHoldMs: 10_000,
  onConnectionError: () => undefined,
});
const ends = await Promise.all(
  work.plans.map(async (plan) => {
    const life = new Life(plan, effects);
    const report = await Promise.race([drive(life), life.stopped]);
    const line: Line = { runId: plan.runId, ...(report && { report }) };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return report;
  }),
);
if (ends.includes(undefined)) process.kill(process.pid, "SIGKILL");
await effects.end();
await db.close();

/** As the service drives an attempt: from its own newest checkpoint, or from the head of its job. */
async function drive(life: Life): Promise<Report> {
  const { plan } = life;
  const saver = new BreakingSaver(db, life);
  life.statements = saver.statements;
  const graph = graphs[plan.graph];
  if (graph === undefined) throw new Error(`no graph is called ${plan.graph}`);
  const begun = await findBeginning(life, saver);
  const input = plan.resume !== undefined ? new Command({ resume: plan.resume }) : begun ? null : plan.input;
  const config = {
    configurable: { thread_id: plan.jobId, __pregel_checkpointer: saver, life },
    durability: "sync",
    recursionLimit: 50,
    ...(plan.maxConcurrency && { maxConcurrency: plan.maxConcurrency }),
  };
  const outcome = await graph.invoke(input, config).then(
    async (state) => {
      await saver.statements.flush(); // as settling does
      const { __interrupt__: interrupts = [], ...rest } = state as { __interrupt__?: Interrupt[] };
      return { state: rest, interrupts };
    },
    (error: unknown) => ({ error: String(error), interrupts: [] }),
  );
  const { calls, rootCheckpointId: head } = saver;
  return { ...outcome, calls, ...(head !== undefined && { head }) };
}

async function findBeginning({ plan }: Life, saver: BreakingSaver): Promise<boolean> {
  if (plan.attempt > 1) {
    const own = await saver.newestOfThisRun();
    if (own !== undefined) {
      await saver.beginFrom(own);
      return true;
    }
  }
  if (plan.head !== undefined) await saver.beginFrom(plan.head);
  else if (plan.seq > 1) await saver.forgetThread();
  return false;
}
