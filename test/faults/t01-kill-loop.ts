import { setTimeout as delay } from "node:timers/promises";
import { Journal, type JournalKey } from "../../src/checkpoints/journal.ts";
import { RunWriter } from "../../src/checkpoints/run-writer.ts";
import { executeEvent } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { serverPort } from "../support/ports.ts";
import { startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { Fleet } from "./fleet.ts";
import { atLeast, atMost, exactly, outcomeFigures, type Scenario, sized } from "./scenario.ts";
import { inParallel, sendLikeBroker } from "./sender.ts";
import { startToolServer, type ToolServer, workingAgent } from "./tool-server.ts";

/** Runs of five steps with three writing tool calls each, and workers that are killed at random. */
export const scenario: Scenario = {
  id: "T1",
  title: "kill loop: random SIGKILLs over 3 workers",
  run: async (scale, say) => {
    const events = sized(scale, { small: 30, usual: 1000, full: 1000 });
    const kills = sized(scale, { small: 4, usual: 50, full: 50 });
    await using database = await freshDatabase({ mayLeak: true });
    const sink = await startSink();
    const tools = await startToolServer();
    const audit = auditTools(tools, database);
    const fleet = await Fleet.start({ database, sinkUrl: sink.url, size: 3 });
    const agent_definition = workingAgent(tools.url, 5);
    const all = Array.from({ length: events }, () => executeEvent({ agent_definition }));

    const startedAt = performance.now();
    const sending = inParallel(all, 24, async (event, n) => {
      await sendLikeBroker(event, () => fleet.urls, { first: n });
    });
    await killAtRandom(fleet, sink, events, kills);
    say(`${fleet.kills} kills after ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
    await sending;
    const done = () => new Set(sink.accepted().map((event) => event.id)).size >= events;
    await until(done, { what: "all results", timeoutMs: 300_000 });
    const minutes = (performance.now() - startedAt) / 60_000;

    const completed = sink.accepted().filter((event) => event.type.endsWith(".completed"));
    const [left] = await database.sql(
      "select count(*)::int as n from agent_executor.runs where status in ('queued', 'running', 'waiting')",
    );
    const figures = await outcomeFigures(database, sink, events);
    const counts = tools.counts();
    const repeated = [...counts.values()].filter((count) => count > 1).length;
    await fleet.stop();
    await Promise.all([audit.stop(), sink.close(), tools.close()]);
    return [
      ...figures,
      exactly("completed among them", events, new Set(completed.map((event) => event.id)).size),
      atLeast("kills", kills, fleet.kills),
      exactly("runs left", 0, Number(left?.["n"])),
      exactly("different tool calls", events * 15, counts.size),
      exactly("committed tool calls made again", 0, audit.violations()),
      // Cut between the effect and its journal entry: allowed with on_unknown "retry", and the same key.
      atMost("cut tool calls made again with the same key", kills * 3 * 24, repeated),
      atMost("minutes", 10, minutes),
    ];
  },
};

async function killAtRandom(
  fleet: Fleet,
  sink: { accepted(): { id: string }[] },
  events: number,
  kills: number,
): Promise<void> {
  const arrived = () => new Set(sink.accepted().map((event) => event.id)).size;
  for (let kill = 0; kill < kills; kill++) {
    // On an observed state, not on a timer: spread over the whole of the work.
    const share = Math.floor((events * 0.9 * kill) / kills);
    await until(() => arrived() >= share, { what: `${share} results`, timeoutMs: 300_000 });
    await delay(Math.random() * 150);
    await fleet.killAndRestart(Math.floor(Math.random() * 3));
  }
}

/** Asks, whenever a call comes that came before, whether that one was committed: then it must not come again. */
export function auditTools(tools: ToolServer, database: TestDatabase) {
  const db = serverPort(database, 2);
  let violations = 0;
  tools.beforeRepeat(async (key) => {
    const [runId = ""] = key.split(":");
    const done = await db.query<JournalKey>(
      "audit",
      "select task, slot, digest from journal where run_id = $1 and state = 'done'",
      [runId],
    );
    const journal = new Journal(new RunWriter(db, { runId, attempt: 0 }));
    if (done.some((row) => journal.idempotencyKey(row) === key)) violations++;
  });
  return { violations: () => violations, stop: () => db.close() };
}
