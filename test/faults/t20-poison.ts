import { executeEvent } from "../support/agents.ts";
import { freshDatabase } from "../support/databases.ts";
import { startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { crashEdition, crashEnv } from "./crash-edition.ts";
import { Fleet } from "./fleet.ts";
import { exactly, outcomeFigures, type Scenario, sized } from "./scenario.ts";
import { inParallel, sendLikeBroker } from "./sender.ts";

/** A run that kills every process that takes it up, among others that do not. */
export const scenario: Scenario = {
  id: "T20",
  title: "poison: a run that kills its process",
  run: async (scale) => {
    const others = sized(scale, { small: 10, usual: 50, full: 200 });
    await using database = await freshDatabase({ mayLeak: true });
    const sink = await startSink();
    const entry = await crashEdition();
    const env = { RUN_MAX_ATTEMPTS: "3", ...crashEnv({ job: "poison" }) };
    const fleet = await Fleet.start({ database, sinkUrl: sink.url, size: 2, env, entry });
    const poison = executeEvent({ job_id: "poison-1" });
    const all = [poison, ...Array.from({ length: others }, () => executeEvent())];

    let over = false;
    const keepers = [0, 1].map(async (worker) => {
      // What Kubernetes does: a pod that dies is started again.
      for (let deaths = 0; !over; ) {
        await Promise.race([
          fleet.worker(worker).exited,
          until(() => over, { what: "the end", timeoutMs: 120_000 }),
        ]);
        if (!over && ++deaths < 20) await fleet.restart(worker);
      }
    });
    await inParallel(all, 8, async (event, n) => {
      await sendLikeBroker(event, () => fleet.urls, { first: n, prefer: "respond-async" });
    });
    const done = () => new Set(sink.accepted().map((event) => event.id)).size === others + 1;
    await until(done, { what: "all results", timeoutMs: 60_000 });
    over = true;
    await Promise.all(keepers);

    const figures = await outcomeFigures(database, sink, others + 1);
    const [failed] = sink.accepted().filter((event) => event.subject === "poison-1");
    const { code } = (failed?.data as { error?: { code: string } })?.error ?? { code: "none" };
    const completed = sink.accepted().filter((event) => event.type.endsWith(".completed"));
    await fleet.stop();
    await sink.close();
    return [
      ...figures,
      exactly("how the poison ended", "attempts_exhausted", code),
      exactly("others that completed", others, new Set(completed.map((event) => event.id)).size),
    ];
  },
};
