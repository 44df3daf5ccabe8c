import { setTimeout as delay } from "node:timers/promises";
import { type Result, resultsOf, structured } from "../nats/messages.ts";
import { executeEvent } from "../support/agents.ts";
import { freshDatabase } from "../support/databases.ts";
import { NatsServer } from "../support/nats-server.ts";
import { until } from "../support/wait.ts";
import { Fleet } from "./fleet.ts";
import { atLeast, atMost, exactly, type Figure, type Scenario, sized } from "./scenario.ts";
import { inParallel } from "./sender.ts";
import { auditTools } from "./t01-kill-loop.ts";
import { startToolServer, workingAgent } from "./tool-server.ts";

const PATIENCE_MS = 400_000;

/** The work of T1 through the other door, whose server restarts as well. */
export const scenario: Scenario = {
  id: "T21",
  title: "NATS: random SIGKILLs over 3 workers, and restarts of the server",
  run: async (scale, say) => {
    const events = sized(scale, { small: 24, usual: 150, full: 1000 });
    const kills = sized(scale, { small: 3, usual: 8, full: 30 });
    const restarts = sized(scale, { small: 1, usual: 1, full: 2 });
    await using database = await freshDatabase({ mayLeak: true });
    const nats = await NatsServer.start();
    const tools = await startToolServer();
    const audit = auditTools(tools, database);
    // As many at once as T1 has callers: with leases of 3 s, more would stall two small processors.
    const env = { NATS_URL: nats.url, NATS_ACK_WAIT_SECONDS: "5", MAX_CONCURRENT_RUNS: "8" };
    const fleet = await Fleet.start({ database, sinkUrl: "", size: 3, env });
    const agent_definition = workingAgent(tools.url, 5);
    const all = Array.from({ length: events }, () => executeEvent({ agent_definition }));

    const startedAt = performance.now();
    const sending = inParallel(all, 8, async (event) => {
      // A sender that repeats until the stream has it; its copies have one id.
      const sent = () => nats.send("agent.execute.work", structured(event), { "Nats-Msg-Id": event.id });
      await until(sent, { what: "the message to be taken", timeoutMs: PATIENCE_MS });
    });
    await disturb({ fleet, nats }, { events, kills, restarts });
    say(`${fleet.kills} kills, ${restarts} restarts after ${secondsSince(startedAt).toFixed(0)} s`);
    await sending;
    await until(async () => (await countOf(nats)) >= events, { what: "all results", timeoutMs: PATIENCE_MS });
    const minutes = secondsSince(startedAt) / 60;
    await until(() => isDrained(nats), { what: "all to be acknowledged", timeoutMs: 60_000 });

    const results = await resultsOf(nats);
    const [left] = await database.sql(
      "select count(*)::int as n from agent_executor.runs where status in ('queued', 'running', 'waiting')",
    );
    const counts = tools.counts();
    await fleet.stop();
    await Promise.all([audit.stop(), tools.close(), nats.close()]);
    return [
      ...figuresOf(results, new Set(all.map(({ id }) => id))),
      atLeast("kills", kills, fleet.kills),
      exactly("runs left", 0, Number(left?.["n"])),
      exactly("different tool calls", events * 15, counts.size),
      exactly("committed tool calls made again", 0, audit.violations()),
      atMost("minutes", 10, minutes),
    ];
  },
};

function figuresOf(results: readonly Result[], sent: ReadonlySet<string>): Figure[] {
  const completed = results.filter(({ subject }) => subject === "agent.status.completed");
  const ids = new Set(results.map(({ event }) => event.id));
  return [
    exactly("distinct outcomes on AGENT_RESULTS", sent.size, ids.size),
    exactly("messages on AGENT_RESULTS", sent.size, results.length),
    exactly("events with an outcome", sent.size, new Set(results.map(({ cause }) => cause)).size),
    exactly("completed among them", sent.size, completed.length),
  ];
}

/** Kills and restarts on an observed state, spread over the whole of the work. */
async function disturb(
  { fleet, nats }: { fleet: Fleet; nats: NatsServer },
  { events, kills, restarts }: { events: number; kills: number; restarts: number },
): Promise<void> {
  const every = Math.ceil(kills / (restarts + 1));
  for (let kill = 0; kill < kills; kill++) {
    const share = Math.floor((events * 0.9 * kill) / kills);
    await until(async () => (await countOf(nats)) >= share, {
      what: `${share} results`,
      timeoutMs: PATIENCE_MS,
    });
    await delay(Math.random() * 150);
    await fleet.killAndRestart(Math.floor(Math.random() * 3));
    if ((kill + 1) % every === 0 && (kill + 1) / every <= restarts) {
      await nats.down("SIGTERM");
      await nats.up();
    }
  }
}

/** Before the first worker has made the streams there are none. */
async function countOf(nats: NatsServer): Promise<number> {
  return (await (await nats.manager()).streams.info("AGENT_RESULTS")).state.messages;
}

async function isDrained(nats: NatsServer): Promise<boolean> {
  return (await (await nats.manager()).streams.info("AGENT_EXECUTION")).state.messages === 0;
}

function secondsSince(startedAt: number): number {
  return (performance.now() - startedAt) / 1000;
}
