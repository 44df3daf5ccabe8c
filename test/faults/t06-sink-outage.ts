import { setTimeout as delay } from "node:timers/promises";
import { executeEvent } from "../support/agents.ts";
import { freshDatabase } from "../support/databases.ts";
import { startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { Fleet } from "./fleet.ts";
import { atMost, exactly, outcomeFigures, type Scenario, sized } from "./scenario.ts";
import { inParallel, sendLikeBroker } from "./sender.ts";

/** The sink is away for a while, then busy, then refuses one, then slow; nothing is lost, and runs go on. */
export const scenario: Scenario = {
  id: "T6",
  title: "sink outage: 503, 429 + Retry-After, one 400, slow",
  run: async (scale, say) => {
    const events = sized(scale, { small: 40, usual: 1000, full: 1000 });
    const outageMs = sized(scale, { small: 3000, usual: 60_000, full: 600_000 });
    await using database = await freshDatabase({ mayLeak: true });
    const sink = await startSink();
    const fleet = await Fleet.start({ database, sinkUrl: sink.url, size: 2, env: { K_SINK_TIMEOUT: "2" } });

    sink.behave({ status: 503 });
    const startedAt = performance.now();
    const prefer = "respond-async";
    const all = Array.from({ length: events }, (_, n) =>
      executeEvent({ job_id: `outage-${n % (events / 4)}` }),
    );
    await inParallel(all, 16, async (event, n) => {
      await sendLikeBroker(event, () => fleet.urls, { first: n, prefer });
    });
    const ended = async () => {
      const [row] = await database.sql(
        "select count(*)::int as n from agent_executor.runs where status = 'completed'",
      );
      return row?.["n"] === events;
    };
    await until(ended, { what: "the runs to end while the sink is away", timeoutMs: 120_000 });
    const runsSeconds = (performance.now() - startedAt) / 1000;
    say(`${events} runs ended in ${runsSeconds.toFixed(1)} s while the sink was away`);
    await delay(Math.max(0, outageMs - (performance.now() - startedAt)));

    sink.behave({ status: 429, headers: { "retry-after": "1" } });
    await delay(1500);
    const before = sink.received.length;
    const away = (performance.now() - startedAt) / 1000;
    let refusedId: string | undefined;
    sink.behave((received) => {
      refusedId ??= received.event?.id;
      return received.event?.id === refusedId ? { status: 400 } : "ok";
    });
    const healedAt = performance.now();
    const taken = () => new Set(sink.accepted().map((event) => event.id)).size >= events - 1;
    await until(taken, { what: "the sink to catch up", timeoutMs: 600_000 });
    const catchUp = (performance.now() - healedAt) / 1000;
    say(`caught up in ${catchUp.toFixed(1)} s`);

    const [parked] = await database.sql(
      "select count(*)::int as n from agent_executor.outbox where parked_at is not null",
    );
    const figures = await outcomeFigures(database, sink, events);
    const order = await wrongOrders(
      sink.accepted().map((event) => event.data as Settled),
      database,
    );
    await fleet.stop();
    await sink.close();
    return [
      ...figures.filter((figure) => !figure.what.startsWith("distinct")),
      exactly("results taken", events - 1, new Set(sink.accepted().map((event) => event.id)).size),
      exactly("results parked (the one that was refused)", 1, Number(parked?.["n"])),
      exactly("results out of their job's order", 0, order),
      atMost("posts per event while it was away", 3 + Math.log2(Math.max(away, 1)) * 2, before / events),
      atMost("seconds to catch up", 60, catchUp, " s"),
    ];
  },
};

type Settled = { job_id: string; run_id: string };

/** Per job the sink must see runs in the order of their turns. */
async function wrongOrders(
  arrived: Settled[],
  database: { sql(text: string): Promise<Record<string, unknown>[]> },
): Promise<number> {
  const rows = await database.sql("select run_id, seq from agent_executor.runs");
  const seqOf = new Map(rows.map((row) => [String(row["run_id"]), Number(row["seq"])]));
  const last = new Map<string, number>();
  let wrong = 0;
  for (const { job_id, run_id } of arrived) {
    const seq = seqOf.get(run_id) ?? 0;
    if (seq < (last.get(job_id) ?? 0)) wrong++;
    last.set(job_id, seq);
  }
  return wrong;
}
