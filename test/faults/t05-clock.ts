import { executeEvent } from "../support/agents.ts";
import { freshDatabase } from "../support/databases.ts";
import { type ModelServer, startModelServer } from "../support/model-server.ts";
import { startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { Fleet } from "./fleet.ts";
import { endedAs, noneOf, resultsByCause, resultsCome } from "./results.ts";
import { atLeast, exactly, outcomeFigures, type Scenario, sized } from "./scenario.ts";
import { inParallel, sendLikeBroker } from "./sender.ts";

const HOUR_MS = 3_600_000;

/** Runs in the worker before all else; timers and performance.now() stay as they are, as when a clock is set. */
const shifted = (byMs: number) => `
  const Real = Date;
  globalThis.Date = class Date extends Real {
    constructor(...given) { given.length === 0 ? super(Real.now() + ${byMs}) : super(...given); }
    static now() { return Real.now() + ${byMs}; }
  };`;

/** Leases are in database time: workers whose own clocks are wrong by an hour neither steal nor forget. */
export const scenario: Scenario = {
  id: "T5",
  title: "workers whose clocks are an hour ahead, an hour behind, and right",
  run: async (scale, say) => {
    const jobs = sized(scale, { small: 3, usual: 20, full: 200 });
    const killed = sized(scale, { small: 2, usual: 6, full: 50 });
    await using database = await freshDatabase({ mayLeak: true });
    const sink = await startSink();
    const models = await startModelServer();
    models.reply((request) => {
      const said = told(request.json);
      // The last word says how long the model thinks.
      return { content: said.join(" "), delay_ms: Number(said.at(-1)?.split("/")[1] ?? 0) };
    });
    const fleets = await Promise.all(
      [HOUR_MS, -HOUR_MS, 0].map((byMs) => {
        const preload = `data:text/javascript,${encodeURIComponent(shifted(byMs))}`;
        const env = { OPENAI_BASE_URL: models.openaiUrl, NODE_OPTIONS: `--import=${preload}` };
        return Fleet.start({ database, sinkUrl: sink.url, size: 1, env });
      }),
    );
    const urls = fleets.flatMap((fleet) => fleet.urls);
    const at = (n: number) => [urls[n % urls.length] ?? ""];

    // Each job three turns, each at another worker; one in three longer than its lease.
    const wrong: string[] = [];
    await inParallel([...Array(jobs).keys()], 12, async (job) => {
      const words: string[] = [];
      for (let turn = 0; turn < 3; turn++) {
        words.push(`j${job}t${turn}/${(job + turn) % 3 === 0 ? 3300 : 100}`);
        await take(`clock-${job}`, words, at(job + turn));
      }
    });
    // And four turns at once: they queue, and whoever is free takes the next.
    const queued = Array.from({ length: 4 }, (_, turn) => `q${turn}/300`);
    const ids = [];
    for (const [turn, word] of queued.entries()) {
      const event = executeEvent({ job_id: "queued", agent_definition: agent("queued"), input: word });
      ids.push(event.id);
      await sendLikeBroker(event, () => at(turn), { prefer: "respond-async" });
    }
    await resultsCome(sink, jobs * 3 + 4, 30_000);
    for (const [turn, id] of ids.entries()) expectOutput(id, queued.slice(0, turn + 1));
    const [early] = await database.sql(
      "select count(*)::int as n from agent_executor.runs where attempt <> 1",
    );
    const [disorder] = await database.sql(DISORDER);
    const [ahead] = await database.sql(
      "select count(distinct left(checkpoint_id, 7))::int as n from agent_executor.checkpoints",
    );
    say("all turns ended with wrong clocks; now one of them is killed at work");

    // The worker that lives in the future dies at work; one of the past goes on, and the thread with it.
    const dying = Array.from({ length: killed }, (_, n) => `killed-${n}`);
    await inParallel(dying, 8, async (job) => await take(job, [`${job}a/0`], at(0)));
    const sent = dying.map((job) => take(job, [`${job}a/0`, `${job}b/800`], urls, "respond-async"));
    await until(async () => (await database.sql(RUNNING)).length === killed, { what: "runs at work" });
    await fleets[0]?.worker(0).kill("SIGKILL");
    const left = urls.slice(1);
    await Promise.all(sent);
    await resultsCome(sink, jobs * 3 + 4 + killed * 2, 30_000);
    await inParallel(dying, 8, async (job) => {
      await take(job, [`${job}a/0`, `${job}b/800`, `${job}c/0`], left);
    });

    const events = jobs * 3 + 4 + killed * 3;
    await resultsCome(sink, events, 30_000);
    const figures = await outcomeFigures(database, sink, events);
    await Promise.all(fleets.map((fleet) => fleet.stop()));
    await Promise.all([sink.close(), models.close()]);
    return [
      ...figures,
      exactly("results that are completed", events, endedAs(sink, "completed")),
      atLeast("clocks that checkpoint ids show", 3, Number(ahead?.["n"])),
      exactly("live leases taken over", 0, Number(early?.["n"])),
      exactly("turns that began before the one before them ended", 0, Number(disorder?.["n"])),
      noneOf("turns that did not remember all turns before, in order", wrong),
    ];

    /** One turn; waits for its outcome unless told otherwise. */
    async function take(job: string, words: string[], doors: string[], prefer?: string): Promise<void> {
      const event = executeEvent({ job_id: job, agent_definition: agent(job), input: words.at(-1) ?? "" });
      const first = prefer === undefined ? {} : { prefer, first: doors.length - 1 }; // tries begin at the next
      await sendLikeBroker(event, () => doors, first);
      if (prefer !== undefined) return;
      await until(() => resultsByCause(sink).has(event.id), { what: "the result", timeoutMs: 20_000 });
      expectOutput(event.id, words);
    }

    function expectOutput(id: string, words: readonly string[]): void {
      const output = resultsByCause(sink).get(id)?.output;
      if (output !== words.join(" ")) wrong.push(`${String(output)} instead of ${words.join(" ")}`);
    }
  },
};

const RUNNING = "select 1 from agent_executor.runs where status = 'running'";

const DISORDER = `
  select count(*)::int as n from agent_executor.runs a join agent_executor.runs b using (job_id)
   where a.seq < b.seq and (b.started_at < a.settled_at or b.settled_at is null or a.settled_at is null)`;

/** Every word the user said in the thread, as the model's request shows it. */
function told(json: ModelServer["requests"][number]["json"]): string[] {
  const messages = json["messages"] as { role: string; content: string }[]; // the shape of the dialect
  return messages.filter(({ role }) => role === "user").map(({ content }) => content);
}

function agent(name: string): Record<string, unknown> {
  return { nodes: [{ type: "agent", name: "main", model: { provider: "openai", model: name } }] };
}
