import { executeEvent, scripted } from "../support/agents.ts";
import { freshDatabase } from "../support/databases.ts";
import { startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { Fleet } from "./fleet.ts";
import { exactly, outcomeFigures, type Scenario, sized } from "./scenario.ts";
import { inParallel, sendLikeBroker } from "./sender.ts";

/** Many events for few jobs, in any order: never two of a job at once, and in order of arrival. */
export const scenario: Scenario = {
  id: "T8",
  title: "double texting: many events for 10 jobs",
  run: async (scale) => {
    const events = sized(scale, { small: 60, usual: 200, full: 200 });
    await using database = await freshDatabase({ mayLeak: true });
    const sink = await startSink();
    const fleet = await Fleet.start({ database, sinkUrl: sink.url, size: 2 });
    const agent_definition = scripted({ content: "turn", delay_ms: 20 });
    const all = Array.from({ length: events }, (_, n) =>
      executeEvent({ job_id: `thread-${n % 10}`, agent_definition, input: String(n) }),
    );

    await inParallel(all, 32, async (event, n) => {
      await sendLikeBroker(event, () => fleet.urls, { first: n, prefer: "respond-async" });
    });
    const done = () => new Set(sink.accepted().map((event) => event.id)).size === events;
    await until(done, { what: "all results", timeoutMs: 120_000 });

    const [overlap] = await database.sql(
      `select count(*)::int as n from agent_executor.runs a join agent_executor.runs b
         on a.job_id = b.job_id and a.seq < b.seq and b.started_at < a.settled_at`,
    );
    const [turns] = await database.sql(
      `select count(*)::int as n from agent_executor.runs r
        where r.accepted_at < (select max(e.accepted_at) from agent_executor.runs e
                                where e.job_id = r.job_id and e.seq < r.seq)`,
    );
    const figures = await outcomeFigures(database, sink, events);
    await fleet.stop();
    await sink.close();
    return [
      ...figures,
      exactly("pairs of a job's runs that overlapped", 0, Number(overlap?.["n"])),
      exactly("runs out of order of arrival", 0, Number(turns?.["n"])),
    ];
  },
};
