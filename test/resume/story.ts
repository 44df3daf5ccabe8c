import type { Database } from "../../src/postgres/database.ts";
import type { Attempt, Info, Plan, Report, Turn } from "./plan.ts";

/** A run to be made: its attempts, of which all but the last one are killed. */
export type Script = {
  graph: string;
  attempts: Attempt[];
  turn?: Turn;
  input?: Record<string, unknown>;
};

export type Effect = { step: string; attempt: number; pid: number; info: Info };

/** What became of a run. */
export type Story = Report & {
  runId: string;
  jobId: string;
  effects: Effect[];
  /** How often each step ran. */
  ran: Record<string, number>;
  /** Steps that ran again although their result was committed: there must be none. */
  repeated: string[];
};

/** A graph takes of it what it has a channel for. */
const EVERY_INPUT = { log: [], messages: [{ role: "user", content: "go" }] };

/** A run while its attempts are made. */
export class StoryInHand {
  readonly script: Script;
  readonly runId: string;
  readonly jobId: string;
  report: Report | undefined;
  readonly #questions = new Map<unknown, string>();
  #effects: Effect[] = [];
  readonly #committed = new Map<string, number>();
  readonly #repeated = new Set<string>();

  constructor(script: Script, run: { runId: string; jobId: string }) {
    this.script = script;
    this.runId = run.runId;
    this.jobId = run.jobId;
  }

  plan(round: number): Plan {
    const { graph, turn, input = EVERY_INPUT } = this.script;
    const attempt = this.#attempt(round);
    const { runId, jobId } = this;
    const resume = this.#resume(attempt);
    return {
      ...{ runId, jobId, graph, input, seq: 1, attempt: round + 1 },
      ...turn,
      ...attempt,
      ...(resume === undefined ? {} : { resume }),
    };
  }

  /** Takes in how an attempt ended: with a report, or with none because it was cut. */
  async end(round: number, report: Report | undefined, db: Database): Promise<void> {
    const { dies, orEnds } = this.#attempt(round);
    const asPlanned = report === undefined ? dies !== undefined : dies === undefined || orEnds;
    if (!asPlanned) throw new Error(`attempt ${round + 1} of ${JSON.stringify(this.script)} ended otherwise`);
    this.report = report;
    for (const { id, value } of report?.interrupts ?? []) this.#questions.set(value, id);
    this.#effects = await effectsOf(db, this.runId);
    this.#look(await committedTasks(db, this.jobId));
  }

  told(): Story {
    if (this.report === undefined) throw new Error("the last attempt must not be killed");
    const { runId, jobId } = this;
    const ran = count(this.#effects.map((effect) => effect.step));
    return { ...this.report, runId, jobId, effects: this.#effects, ran, repeated: [...this.#repeated] };
  }

  #attempt(round: number): Attempt {
    const attempt = this.script.attempts[round];
    if (attempt === undefined) throw new Error(`there is no attempt ${round + 1}`);
    return attempt;
  }

  #resume({ answers, answer }: Attempt): unknown {
    if (answers === undefined) return answer;
    return Object.fromEntries(
      Object.entries(answers).map(([question, value]) => [this.#questions.get(question), value]),
    );
  }

  #look(tasks: ReadonlySet<string>): void {
    const runs = count(this.#effects.map(({ step, info }) => `${step}@${info.task}`));
    for (const [key, times] of this.#committed) {
      if (runs[key] !== times) this.#repeated.add(key.replace(/@.*/, ""));
    }
    for (const { step, info } of this.#effects) {
      const key = `${step}@${info.task}`;
      if (tasks.has(info.task)) this.#committed.set(key, runs[key] ?? 0);
    }
  }
}

export function count(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

async function effectsOf(db: Database, runId: string): Promise<Effect[]> {
  return await db.query<Effect>(
    "effects",
    "select step, attempt, pid, info from public.effects where run_id = $1 order by no",
    [runId],
  );
}

/** The tasks whose results are stored: below zero are errors, interrupts and answers. */
async function committedTasks(db: Database, jobId: string): Promise<Set<string>> {
  const rows = await db.query<{ task_id: string }>(
    "committed-tasks",
    "select distinct task_id from checkpoint_writes where thread_id = $1 and idx >= 0",
    [jobId],
  );
  return new Set(rows.map((row) => row.task_id));
}

/** A state without the ids that LangGraph makes by chance. */
export function lasting(state: unknown): unknown {
  const isRandom = (key: string, value: unknown) => key === "id" && /^[0-9a-f]{8}-/.test(String(value));
  return JSON.parse(JSON.stringify(state, (key, value) => (isRandom(key, value) ? undefined : value)));
}

/** What tells one call from every other, before and after a kill: its task, and in the task the call. */
export function journalKey({ info }: Effect): string {
  return `${info.task} ${info.toolCallId ?? ""}`;
}

/** How many different calls there were of each step. */
export function callsOf(story: Story, key: (effect: Effect) => string = journalKey): Record<string, number> {
  const calls = new Map(story.effects.map((effect) => [`${effect.step} ${key(effect)}`, effect.step]));
  return count([...calls.values()]);
}
