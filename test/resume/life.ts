import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { getConfig } from "@langchain/langgraph";
import type { Pool } from "pg";
import type { RunWriter } from "../../src/checkpoints/run-writer.ts";
import type { Info, Plan } from "./plan.ts";

/**
 * One attempt at one run within a process. A run that is to be cut stops for ever at its place and
 * does nothing more to the database; once all runs of the process have stopped or ended, the process
 * kills itself. So one kill cuts many runs, each at a place of its own.
 */
export class Life {
  readonly plan: Plan;
  /** How many results of tasks are committed. */
  committed = 0;
  readonly unanswered = { put: 0, putWrites: 0 };
  readonly stopped: Promise<undefined>;
  statements: RunWriter | undefined;
  readonly #pool: Pool;
  #stop: () => void = () => undefined;
  #isOver = false;

  constructor(plan: Plan, pool: Pool) {
    this.plan = plan;
    this.#pool = pool;
    this.stopped = new Promise((done) => {
      this.#stop = () => done(undefined);
    });
  }

  /** What a step does to the world outside of LangGraph: committed at once, on a connection of its own. */
  async act(step: string, toolCallId?: string): Promise<void> {
    const { waits, hangs, clockJumpsAfter } = this.plan;
    await this.goOn();
    if (waits?.includes(step)) await forEver();
    await this.#mayEnd(step, "before");
    await this.statements?.flush(); // as the journal does before a call
    await this.#pool.query(
      "insert into effects (run_id, attempt, step, pid, info) values ($1, $2, $3, $4, $5)",
      [this.plan.runId, this.plan.attempt, step, process.pid, JSON.stringify(this.#info(toolCallId))],
    );
    if (clockJumpsAfter === step) shiftClock(-1);
    if (hangs?.includes(step)) await forEver();
    await this.#mayEnd(step, "after");
    await this.goOn();
  }

  async untilCommitted(results: number): Promise<void> {
    while (this.committed < results) await delay(1);
  }

  /** Nothing of a run that was cut goes on. */
  async goOn(): Promise<void> {
    if (this.#isOver) await forEver();
  }

  async end(): Promise<never> {
    this.#isOver = true;
    this.statements?.letGo();
    this.#stop();
    return await forEver();
  }

  async #mayEnd(step: string, when: "before" | "after"): Promise<void> {
    const { dies } = this.plan;
    if (dies === undefined || !("step" in dies) || dies.step !== step || dies.when !== when) return;
    await this.untilCommitted(dies.committed ?? 0);
    await this.end();
  }

  #info(toolCallId: string | undefined): Info {
    const { configurable } = getConfig();
    return {
      task: String(configurable?.["__pregel_task_id"]),
      ns: String(configurable?.["checkpoint_ns"]),
      unanswered: { ...this.unanswered },
      ...(toolCallId && { toolCallId }),
    };
  }
}

/** The effect of a step, in the run that LangGraph is at. */
export async function act(step: string, toolCallId?: string): Promise<void> {
  await lifeAtHand().act(step, toolCallId);
}

export function lifeAtHand(): Life {
  const life: unknown = getConfig().configurable?.["life"];
  if (life instanceof Life) return life;
  throw new Error("this is no step of a run");
}

/** The one clock that LangGraph looks at when it makes the id of a checkpoint. */
export function shiftClock(hours: number): void {
  const now = Date.now.bind(Date);
  Date.now = () => now() + hours * 3_600_000;
}

async function forEver(): Promise<never> {
  return await new Promise<never>(() => undefined);
}
