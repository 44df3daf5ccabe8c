import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { executeEvent } from "../support/agents.ts";
import { freshDatabase } from "../support/databases.ts";
import { type ModelServer, startModelServer } from "../support/model-server.ts";
import { postEvent } from "../support/post.ts";
import { startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { Fleet } from "./fleet.ts";
import { atMost, exactly, outcomeFigures, type Scenario, sized } from "./scenario.ts";

/** Where in its life a run is when the cancel comes; for those at work, how long after its start. */
const PHASES = [0, 20, 50, 100, 200, 400, 700, 1000, 1400, "queued"] as const;

/** A cancel at every moment of a run's life, from another process, down to the model's request. */
export const scenario: Scenario = {
  id: "T17",
  title: "cancel in each phase, from another process",
  run: async (scale) => {
    const rounds = sized(scale, { small: 1, usual: 3, full: 20 });
    await using database = await freshDatabase({ mayLeak: true });
    const sink = await startSink();
    const models = await startModelServer();
    models.reply(() => ({ content: "late", delay_ms: 2500 }));
    const env = { OPENAI_BASE_URL: models.openaiUrl };
    const fleet = await Fleet.start({ database, sinkUrl: sink.url, size: 2, env });
    await postEvent(fleet.urls[0] ?? "", executeEvent()); // warm: the first run loads what all need

    let slowest = 0;
    let calls = 0;
    let wrong = 0;
    const jobs = rounds * PHASES.length;
    for (let round = 0; round < rounds; round++) {
      const ended = await Promise.all(PHASES.map((phase) => cancelAt(phase, fleet, models)));
      for (const { ms, lateCalls, type } of ended) {
        slowest = Math.max(slowest, ms);
        calls += lateCalls;
        if (!type.endsWith(".cancelled")) wrong++;
      }
    }
    const expected = 1 + jobs + rounds; // the queued phase has a run before it
    const done = () => new Set(sink.accepted().map((event) => event.id)).size === expected;
    await until(done, { what: "all results", timeoutMs: 20_000 });

    const figures = await outcomeFigures(database, sink, expected);
    await fleet.stop();
    await Promise.all([sink.close(), models.close()]);
    return [
      ...figures,
      exactly("runs that ended otherwise than cancelled", 0, wrong),
      exactly("model requests that began more than 1 s after the cancel", 0, calls),
      atMost("slowest cancel", 1000, slowest, " ms"),
    ];

    async function cancelAt(phase: (typeof PHASES)[number], of: Fleet, at: ModelServer) {
      const job_id = randomUUID();
      const model = { provider: "openai", model: job_id };
      const agent_definition = { nodes: [{ type: "agent", name: "main", model }] };
      const [runs = "", asks = ""] = of.urls;
      const post = (input: string) =>
        postEvent(runs, executeEvent({ job_id, agent_definition, input }), {
          headers: { prefer: "respond-async" },
        });
      await post("go");
      if (phase === "queued") await post("behind");
      else await delay(phase);
      const cancel = {
        id: randomUUID(),
        source: "tests",
        type: "dev.my-platform.agent.cancel",
        data: { job_id },
      };
      const startedAt = performance.now();
      await postEvent(asks, cancel, { timeoutMs: 20_000 });
      const ms = performance.now() - startedAt;
      await delay(1000);
      const before = at.requests.length;
      await delay(300);
      const lateCalls = at.requests
        .slice(before)
        .filter((request) => request.json["model"] === job_id).length;
      const [run] = await database.sql(
        "select status from agent_executor.runs where job_id = $1 order by seq desc limit 1",
        [job_id],
      );
      return { ms, lateCalls, type: `.${run?.["status"]}` };
    }
  },
};
