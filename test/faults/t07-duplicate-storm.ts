import { executeEvent, scripted } from "../support/agents.ts";
import { freshDatabase } from "../support/databases.ts";
import { postEvent } from "../support/post.ts";
import { startSink } from "../support/sink.ts";
import { Fleet } from "./fleet.ts";
import { atMost, exactly, outcomeFigures, type Scenario, sized } from "./scenario.ts";

/** One event, very many times, at every door at once. */
export const scenario: Scenario = {
  id: "T7",
  title: "duplicate storm: copies of one event at once over 3 processes",
  run: async (scale) => {
    const copies = sized(scale, { small: 90, usual: 500, full: 500 });
    await using database = await freshDatabase({ mayLeak: true });
    const sink = await startSink();
    const fleet = await Fleet.start({ database, sinkUrl: sink.url, size: 3 });
    const warm = fleet.urls.map((url) => postEvent(url, executeEvent()));
    await Promise.all(warm);
    const event = executeEvent({ agent_definition: scripted({ content: "once", delay_ms: 4000 }) });

    const refusals: number[] = [];
    const statuses = await Promise.all(
      Array.from({ length: copies }, async (_, n) => {
        const startedAt = performance.now();
        const { status } = await postEvent(fleet.urls[n % 3] ?? "", event, { timeoutMs: 30_000 });
        if (status === 409) refusals.push(performance.now() - startedAt);
        return status;
      }),
    );

    const count = (status: number) => statuses.filter((each) => each === status).length;
    const p99 = refusals.sort((a, b) => a - b)[Math.floor(refusals.length * 0.99)] ?? 0;
    const figures = await outcomeFigures(database, sink, 1 + warm.length);
    await fleet.stop();
    await sink.close();
    return [
      ...figures,
      exactly("answers with the outcome, one a process", 3, count(200)),
      exactly("copies sent away with 409", copies - 3, count(409)),
      atMost("p99 of being sent away", 500, p99, " ms"),
    ];
  },
};
