import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import { type ExecuteEvent, executeEvent } from "../support/agents.ts";
import type { TestDatabase } from "../support/databases.ts";
import { postEvent } from "../support/post.ts";
import type { Sink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import type { Fleet } from "./fleet.ts";
import { resultsByCause } from "./results.ts";
import { sendLikeBroker } from "./sender.ts";

/** All the model knows of an event that was taken: its place in its job, and whether someone wanted it to end. */
type Expected = { id: string; word: string; mayBeCancelled: boolean };
/** Jobs by number, each the list of its turns. */
export type Model = { jobs: Expected[][] };
type Command = fc.AsyncCommand<Model, LaneOfJobs>;

const SETTLE_MS = 60_000;

export function laneCommands() {
  const nth = fc.nat(50);
  const ms = fc.constantFrom(0, 50, 200, 600);
  const command = (weight: number, arbitrary: fc.Arbitrary<Command>) =>
    Array.from({ length: weight }, () => arbitrary);
  return fc.commands(
    [
      ...command(
        3,
        ms.map(
          (each) =>
            new Step(`new job ${each} ms`, 0, (model, real) => real.submit(model, model.jobs.length, each)),
        ),
      ),
      ...command(
        5,
        fc
          .tuple(nth, ms)
          .map(
            ([n, each]) =>
              new Step(`next turn of ${n}, ${each} ms`, 1, (model, real) => real.submit(model, n, each)),
          ),
      ),
      ...command(
        3,
        nth.map((n) => new Step(`copy of ${n}`, 1, (_, real) => real.repeat(n))),
      ),
      ...command(
        1,
        fc
          .tuple(nth, fc.boolean())
          .map(
            ([n, waits]) => new Step(`cancel job ${n}`, 1, (model, real) => real.cancelJob(model, n, waits)),
          ),
      ),
      ...command(
        1,
        fc
          .tuple(nth, nth)
          .map(
            ([n, m]) => new Step(`cancel run ${m} of ${n}`, 1, (model, real) => real.cancelRun(model, n, m)),
          ),
      ),
      ...command(
        1,
        fc.nat(1).map((n) => new Step(`kill ${n}`, 0, (_, real) => real.kill(n))),
      ),
      ...command(
        2,
        fc
          .constantFrom(20, 200, 700)
          .map((each) => new Step(`wait ${each}`, 0, async () => void (await delay(each)))),
      ),
    ],
    { maxCommands: 24, size: "max" },
  );
}

class Step implements Command {
  readonly #name: string;
  readonly #jobs: number;
  readonly #act: (model: Model, real: LaneOfJobs) => Promise<void>;

  constructor(name: string, jobs: number, act: (model: Model, real: LaneOfJobs) => Promise<void>) {
    this.#name = name;
    this.#jobs = jobs;
    this.#act = act;
  }

  check(model: Readonly<Model>): boolean {
    return model.jobs.length >= this.#jobs;
  }

  async run(model: Model, real: LaneOfJobs): Promise<void> {
    real.commands++;
    await this.#act(model, real);
  }

  toString(): string {
    return this.#name;
  }
}

/** What the sequences share. */
export type Stage = { fleet: Fleet; database: TestDatabase; sink: Sink; kill(worker: number): Promise<void> };

/** One sequence on the real service, with jobs of its own. */
export class LaneOfJobs {
  readonly model: Model = { jobs: [] };
  commands = 0;
  readonly #name: string;
  readonly #stage: Stage;
  readonly #sent: (ExecuteEvent & { type: string })[] = [];

  constructor(name: string, stage: Stage) {
    this.#name = name;
    this.#stage = stage;
  }

  get accepted(): number {
    return this.model.jobs.flat().length;
  }

  async submit({ jobs }: Model, nth: number, ms: number): Promise<void> {
    const number = nth === jobs.length ? nth : nth % jobs.length;
    jobs[number] ??= [];
    const word = `t${jobs[number].length}/${ms}`;
    const model = { provider: "openai", model: this.#jobId(number) };
    const agent_definition = { nodes: [{ type: "agent", name: "main", model }] };
    const event = executeEvent({ job_id: this.#jobId(number), agent_definition, input: word });
    jobs[number].push({ id: event.id, word, mayBeCancelled: false });
    await this.#send(event, "respond-async");
  }

  /** A copy may be answered, or sent away because it is in hand; it is never taken again. */
  async repeat(nth: number): Promise<void> {
    const event = this.#sent[nth % this.#sent.length];
    if (event === undefined) return;
    const { urls } = this.#stage.fleet;
    const headers = { prefer: "respond-async" };
    const status = await postEvent(urls[nth % urls.length] ?? "", event, { headers, timeoutMs: 30_000 }).then(
      (reply) => reply.status,
      () => 0,
    );
    const isCancel = event.type.endsWith(".cancel");
    const known = isCancel ? [0, 200, 202, 409, 503] : [0, 200, 409, 503];
    if (!known.includes(status)) throw new Error(`a copy of ${event.id} was answered ${status}`);
  }

  async cancelJob({ jobs }: Model, nth: number, waits: boolean): Promise<void> {
    const number = nth % jobs.length;
    for (const event of jobs[number] ?? []) event.mayBeCancelled = true;
    await this.#send(cancelEvent({ job_id: this.#jobId(number) }), waits ? undefined : "respond-async");
  }

  async cancelRun({ jobs }: Model, nth: number, turn: number): Promise<void> {
    const number = nth % jobs.length;
    const turns = jobs[number] ?? [];
    const event = turns[turn % turns.length];
    if (event === undefined) return;
    const [run] = await this.#stage.database.sql(
      "select run_id from agent_executor.runs where event_id = $1",
      [event.id],
    );
    if (run === undefined) throw new Error(`event ${event.id} was taken, but has no run`);
    event.mayBeCancelled = true;
    await this.#send(cancelEvent({ job_id: this.#jobId(number), run_id: run["run_id"] }), "respond-async");
  }

  async kill(worker: number): Promise<void> {
    await this.#stage.kill(worker);
  }

  /** Waits for the end of all there is, and holds it against the model. */
  async settle(): Promise<void> {
    const expected = this.model.jobs.flat();
    const { sink } = this.#stage;
    const ended = () => {
      const results = resultsByCause(sink);
      return expected.every(({ id }) => results.has(id));
    };
    await until(ended, { what: "every event of the sequence to end", timeoutMs: SETTLE_MS });
    for (const [number, turns] of this.model.jobs.entries()) await this.#compare(this.#jobId(number), turns);
  }

  async #compare(jobId: string, turns: readonly Expected[]): Promise<void> {
    const results = resultsByCause(this.#stage.sink);
    const runs = await this.#stage.database.sql(
      "select event_id, status, started_at, settled_at from agent_executor.runs where job_id = $1 order by seq",
      [jobId],
    );
    same(
      `order of job ${jobId}`,
      turns.map(({ id }) => id).join(),
      runs.map((run) => run["event_id"]).join(),
    );
    const remembered: string[] = [];
    let before = 0;
    for (const [turn, { id, word, mayBeCancelled }] of turns.entries()) {
      const result = results.get(id);
      same(`results of ${id}`, 1, result?.ids.size);
      const kind = result?.type.split(".").at(-1);
      const cancelled = kind === "cancelled" && mayBeCancelled;
      if (!cancelled) same(`end of turn ${turn}`, "completed", kind);
      const { status, started_at, settled_at } = runs[turn] ?? {};
      same(`status of turn ${turn}`, kind, status);
      if (!cancelled) remembered.push(word);
      if (!cancelled) same(`memory of turn ${turn}`, remembered.join(" "), result?.output);
      if (started_at === null) continue; // it ended in the queue
      if (Number(started_at) < before)
        throw new Error(
          `turn ${turn} of ${jobId} began before the one before it ended: ${Number(started_at) - before} ms; ${JSON.stringify(runs)}`,
        );
      before = Number(settled_at);
    }
  }

  async #send(event: ExecuteEvent & { type: string }, prefer: string | undefined): Promise<void> {
    const options = prefer === undefined ? {} : { prefer };
    const first = this.#sent.push(event);
    const { status } = await sendLikeBroker(event, () => this.#stage.fleet.urls, {
      first,
      ...options,
      forMs: 60_000,
    });
    if (status !== 200 && status !== 202) throw new Error(`event ${event.id} was answered ${status}`);
  }

  #jobId(number: number): string {
    return `${this.#name}-${number}`;
  }
}

function cancelEvent(data: Record<string, unknown>) {
  return { id: randomUUID(), source: "tests", type: "dev.my-platform.agent.cancel", data };
}

function same(what: string, wanted: unknown, got: unknown): void {
  if (wanted !== got) throw new Error(`${what}: ${String(got)} instead of ${String(wanted)}`);
}
