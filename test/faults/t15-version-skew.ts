import { executeEvent, scripted } from "../support/agents.ts";
import { emptyDatabase } from "../support/databases.ts";
import { get } from "../support/post.ts";
import { startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { Fleet } from "./fleet.ts";
import { buildOldEdition, type Edition } from "./old-edition.ts";
import { endedAs, linesWith, noneOf, resultsByCause, resultsCome } from "./results.ts";
import { atLeast, atMost, exactly, type Figure, outcomeFigures, type Scenario, sized } from "./scenario.ts";
import { inParallel, sendLikeBroker } from "./sender.ts";

/** What an edition says when the tables are not those it knows. */
const SCHEMA_TROUBLE = /column|relation|does not exist|cached plan|42703|42P01|42883|0A000|23502/i;
const TURNS = 4;

/** A rolling update: an old edition and this one on one database, forward, side by side, back, and forward. */
export const scenario: Scenario = {
  id: "T15",
  title: "version skew: an older edition and this one on one database",
  run: async (scale, say) => {
    const old = await buildOldEdition().catch((error: unknown) => String(error));
    if (typeof old === "string") {
      const got = `no: it needs the git history of the service and its packages. ${old}`;
      return [{ what: "the older edition could be built", wanted: "yes", got, ok: false }];
    }
    try {
      say(`the older edition is ${old.revision.slice(0, 10)}`);
      return await play(
        old,
        sized(scale, { small: 10, usual: 100, full: 100 }),
        scale === "small" ? 1200 : 2500,
        say,
      );
    } finally {
      await old.remove();
    }
  },
};

async function play(
  old: Edition,
  jobs: number,
  longMs: number,
  say: (line: string) => void,
): Promise<Figure[]> {
  const database = await emptyDatabase(); // the older edition makes the schema
  const sink = await startSink();
  const of = { database, sinkUrl: sink.url };
  const olds = await Fleet.start({ ...of, size: 2, entry: old.entry });
  const expected = new Map<string, string>();
  const wrong: string[] = [];
  const all = [...Array(jobs).keys()];
  const schema = async () => (await database.sql("select name from agent_executor.migrations")).length;

  // First turns are over when the update begins; the second ones are at work or behind one that is.
  await turn(0, 0, () => olds.urls);
  await resultsCome(sink, jobs, 60_000);
  const before = await schema();
  await turn(1, longMs, () => olds.urls);

  const atWork = (await database.sql("select 1 from agent_executor.runs where status = 'running'")).length;
  const startedAt = performance.now();
  const news = await Fleet.start({ ...of, size: 2 });
  const ready = async () =>
    (await Promise.all(news.urls.map((url) => get(`${url}/ready`)))).every(({ status }) => status === 200);
  await until(ready, { what: "the new ones to be ready", timeoutMs: 30_000 });
  const readySeconds = (performance.now() - startedAt) / 1000;
  const after = await schema();
  say(`migrations before and after: ${before}, ${after}`);
  const both = () => [...olds.urls, ...news.urls];
  await turn(2, 300, both);
  // Back: an old process starts on the new schema, and takes what is due.
  await olds.killAndRestart(0);
  await olds.worker(0).waitForHealth();
  await inParallel(
    all.slice(0, 5),
    5,
    async (n) => await send(`back-${n}`, "back", 0, olds.urls.slice(0, 1)),
  );
  await resultsCome(sink, jobs * 3 + 5, 60_000);

  await turn(3, longMs, () => olds.urls);
  const started = async () =>
    (await database.sql("select 1 from agent_executor.runs where status = 'running'")).length > 0;
  await until(started, { what: "runs at work in old processes", timeoutMs: 10_000 });
  await olds.stop();
  await resultsCome(sink, jobs * TURNS + 5, 60_000);

  const results = resultsByCause(sink);
  for (const [id, text] of expected) {
    const output = results.get(id)?.output;
    if (output !== text) wrong.push(`${String(output)} instead of ${text}`);
  }
  const figures = await outcomeFigures(database, sink, jobs * TURNS + 5);
  const [disorder] = await database.sql(DISORDER);
  const [taken] = await database.sql("select count(*)::int as n from agent_executor.runs where attempt > 1");
  const trouble = (fleet: Fleet) => linesWith([fleet.worker(0), fleet.worker(1)], SCHEMA_TROUBLE);
  const skewed = [...trouble(olds), ...trouble(news)];
  await news.stop();
  await sink.close();
  await database[Symbol.asyncDispose]().catch(() => undefined); // killed processes leave connections
  return [
    ...figures,
    exactly("results that are completed", jobs * TURNS + 5, endedAs(sink, "completed")),
    atLeast("migrations that came while old processes ran", 1, after - before),
    atMost("time until the new ones had migrated and were ready", 15, readySeconds, " s"),
    atLeast("runs at work when it came", Math.min(jobs, 5), atWork),
    noneOf("lines about a schema that is not the known one", skewed),
    noneOf("turns that did not run the definition they came with", wrong),
    exactly("turns out of order", 0, Number(disorder?.["n"])),
    atLeast("runs taken over from the old", 1, Number(taken?.["n"])),
  ];

  /** One turn of each job, with a definition of its own. */
  async function turn(nth: number, delayMs: number, urls: () => readonly string[]): Promise<void> {
    await inParallel(all, 16, async (n) => await send(`job-${n}`, `${nth} of ${n}`, delayMs, urls(), n));
  }

  async function send(job_id: string, content: string, delay_ms: number, urls: readonly string[], first = 0) {
    const event = executeEvent({ job_id, agent_definition: scripted({ content, delay_ms }) });
    expected.set(event.id, content);
    await sendLikeBroker(event, () => urls, { first, prefer: "respond-async" });
  }
}

const DISORDER = `
  select count(*)::int as n from agent_executor.runs a join agent_executor.runs b using (job_id)
   where a.seq < b.seq and b.started_at < a.settled_at`;
