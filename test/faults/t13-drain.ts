import { executeEvent, scripted } from "../support/agents.ts";
import { freshDatabase } from "../support/databases.ts";
import { get, postEvent } from "../support/post.ts";
import { startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { Fleet } from "./fleet.ts";
import { atMost, exactly, outcomeFigures, type Scenario, sized } from "./scenario.ts";

/** SIGTERM with runs at work: short ones end, long ones go on elsewhere, and nobody is left without an answer. */
export const scenario: Scenario = {
  id: "T13",
  title: "drain: SIGTERM with runs at work",
  run: async (scale) => {
    const each = sized(scale, { small: 4, usual: 10, full: 10 });
    const graceSeconds = 3;
    await using database = await freshDatabase({ mayLeak: true });
    const sink = await startSink();
    const env = { SHUTDOWN_GRACE_SECONDS: String(graceSeconds) };
    const fleet = await Fleet.start({ database, sinkUrl: sink.url, size: 2, env });
    const agents = [
      scripted({ content: "short", delay_ms: 1500 }),
      scripted({ content: "long", delay_ms: 8000 }),
    ];
    const post = (agent_definition: Record<string, unknown>) =>
      postEvent(fleet.urls[0] ?? "", executeEvent({ agent_definition }), { timeoutMs: 30_000 }).then(
        (reply) => reply.status,
        () => 0,
      );
    const answers = agents.flatMap((agent) => Array.from({ length: each }, () => post(agent)));
    const busy = async () => {
      const rows = await database.sql("select 1 from agent_executor.runs where status = 'running'");
      return rows.length === 2 * each;
    };
    await until(busy, { what: "all runs to be at work" });

    const startedAt = performance.now();
    const leaving = fleet.worker(0).kill("SIGTERM");
    const unready = () =>
      get(`${fleet.urls[0]}/ready`, { timeoutMs: 900 }).then(
        (reply) => reply.status === 503,
        () => true,
      );
    await until(unready, { what: "/ready to say 503" });
    const unreadyMs = performance.now() - startedAt;
    const exit = await leaving;
    const exitSeconds = (performance.now() - startedAt) / 1000;
    const takenUp = async () => {
      const rows = await database.sql(
        "select 1 from agent_executor.runs where status = 'running' and attempt = 2",
      );
      return rows.length === each;
    };
    await until(takenUp, { what: "the long runs to be taken up", timeoutMs: 15_000 });
    const takenSeconds = (performance.now() - startedAt) / 1000 - exitSeconds;
    const statuses = await Promise.all(answers);
    const done = () => new Set(sink.accepted().map((event) => event.id)).size === 2 * each;
    await until(done, { what: "all results", timeoutMs: 30_000 });
    const [spent] = await database.sql("select max(failures)::int as n from agent_executor.runs");

    const figures = await outcomeFigures(database, sink, 2 * each);
    await fleet.stop();
    await sink.close();
    return [
      ...figures,
      // Among other tests the process may not get to answer for that long.
      atMost(
        "time until /ready says 503",
        sized(scale, { small: 3000, usual: 1000, full: 1000 }),
        unreadyMs,
        " ms",
      ),
      exactly("exit code", 0, exit.code ?? -1),
      atMost("time until it is gone", graceSeconds + 3, exitSeconds, " s"),
      exactly("short runs answered 200", each, statuses.filter((status) => status === 200).length),
      exactly(
        "callers of long runs told to come again",
        each,
        statuses.filter((status) => status === 503).length,
      ),
      atMost("time until the long runs are taken up", 5, takenSeconds, " s"),
      exactly("attempts used up by the drain", 0, Number(spent?.["n"])),
    ];
  },
};
