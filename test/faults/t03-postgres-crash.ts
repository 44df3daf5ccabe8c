import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { executeEvent, scripted } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { urlVariable } from "../support/environment.ts";
import { get } from "../support/post.ts";
import { runCommand } from "../support/process.ts";
import { killWithUs } from "../support/reaper.ts";
import { startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { Fleet } from "./fleet.ts";
import { endedAs, linesWith, noneOf, resultsCome, watchEnds } from "./results.ts";
import { atLeast, atMost, exactly, type Figure, outcomeFigures, type Scenario, sized } from "./scenario.ts";
import { inParallel, sendLikeBroker } from "./sender.ts";

/** A backend is killed, so that Postgres recovers from a crash and cuts everyone; storms of lost sessions between. */
export const scenario: Scenario = {
  id: "T3",
  title: "Postgres crashes again and again (SIGKILL of a backend), storms of ended sessions in between",
  run: async (scale, say) => await withOwnServer((database) => play(database, scale, say)),
};

async function play(
  database: TestDatabase,
  scale: Parameters<Scenario["run"]>[0],
  say: (line: string) => void,
) {
  const events = sized(scale, { small: 40, usual: 500, full: 500 });
  const forMs = sized(scale, { small: 2000, usual: 25_000, full: 300_000 });
  const everyMs = sized(scale, { small: 1500, usual: 5000, full: 7500 });
  const sink = await startSink();
  const fleet = await Fleet.start({ database, sinkUrl: sink.url, size: 2 });
  const workers = [fleet.worker(0), fleet.worker(1)];
  const watched = watchEnds(workers);

  const startedAt = performance.now();
  const recoveries: number[] = [];
  const storms: number[] = [];
  const trouble = async () => {
    while (performance.now() - startedAt < forMs) {
      await delay(everyMs / 3);
      storms.push(await endSessions(database));
      await delay(everyMs / 3);
      storms.push(await endSessions(database));
      await delay(everyMs / 3);
      await crash(database);
      recoveries.push(await msUntilServing(fleet.urls, database));
      say(`crash ${recoveries.length}: served ${recoveries.at(-1)?.toFixed(0)} ms after Postgres was back`);
    }
  };
  const all = Array.from({ length: events }, (_, n) =>
    executeEvent({
      job_id: `crash-${n % Math.ceil(events / 2)}`,
      agent_definition: scripted({ content: `answer ${n}`, delay_ms: (n % 10) * 150 }),
    }),
  );
  const sending = inParallel(all, 24, async (event, n) => {
    // Spread over the time of the trouble; every second sender waits for the outcome.
    await delay(Math.max(0, (forMs * n) / events - (performance.now() - startedAt)));
    const wait = n % 2 === 0 ? {} : { prefer: "respond-async" };
    await sendLikeBroker(event, () => fleet.urls, { first: n, ...wait });
  });
  await Promise.all([trouble(), sending]);
  await resultsCome(sink, events, 60_000);

  const figures = await outcomeFigures(database, sink, events);
  const [spent] = await database.sql("select max(attempt)::int as n from agent_executor.runs");
  say(
    `most attempts of one run: ${spent?.["n"]}; sessions ended by storms: ${storms.reduce((a, b) => a + b, 0)}`,
  );
  const unhandled = linesWith(workers, /unhandled|uncaught/i);
  const ends = watched.flatMap(({ service, ended }) => (ended ? [`pid ${service.pid}: ${ended}`] : []));
  await fleet.stop();
  await sink.close();
  return [
    ...figures,
    exactly("results that are completed", events, endedAs(sink, "completed")),
    atLeast("crashes", sized(scale, { small: 1, usual: 4, full: 30 }), recoveries.length),
    noneOf("processes that ended", ends),
    noneOf("lines about unhandled errors", unhandled),
    atMost("slowest recovery of the service once Postgres is back", 5, Math.max(...recoveries) / 1000, " s"),
  ];
}

/** A server nobody else uses: a crash must not reach the scenarios that follow. */
async function withOwnServer(work: (database: TestDatabase) => Promise<Figure[]>): Promise<Figure[]> {
  const { [urlVariable.postgres]: shared, ...env } = process.env; // named, it would be taken instead of a new one
  const script = join(import.meta.dirname, "../support/hold-services.ts");
  const holder = spawn(process.execPath, ["--import", "tsx", script, "postgres"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  killWithUs(holder);
  const gone = once(holder, "exit");
  try {
    const [line] = (await Promise.race([once(createInterface(holder.stdout), "line"), gone])) as [unknown];
    if (typeof line !== "string") throw new Error("the Postgres of this scenario did not start");
    process.env[urlVariable.postgres] = (JSON.parse(line) as { postgres: string }).postgres; // hold-services.ts wrote it
    return await work(await freshDatabase({ mayLeak: true })); // it goes with its server
  } finally {
    if (shared === undefined) delete process.env[urlVariable.postgres];
    else process.env[urlVariable.postgres] = shared;
    holder.kill("SIGKILL"); // its watchdog stops the server
    await gone;
  }
}

/** All sessions but ours; gives how many. */
async function endSessions(database: TestDatabase): Promise<number> {
  const rows = await database
    .sql(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where backend_type = 'client backend' and datname = $1 and pid <> pg_backend_pid()`,
      [database.database],
    )
    .catch(() => []);
  return rows.length;
}

/** To the postmaster a backend that died by SIGKILL may have spoilt the shared memory: it starts all anew. */
async function crash(database: TestDatabase): Promise<void> {
  const client = new pg.Client(database.url);
  client.on("error", () => undefined); // it dies with its backend: that is the point
  await client.connect();
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  const pid = rows[0]?.pid ?? 0;
  const { stdout } = await runCommand("ps", ["-o", "args=", "-p", String(pid)]);
  // In a container its number means another process here.
  if (!/postgres/.test(stdout)) throw new Error("this scenario needs a Postgres started on this machine");
  process.kill(pid, "SIGKILL");
  await client.end().catch(() => undefined);
}

/** Until both are ready and a question that needs the pool is answered, counted from when Postgres is back. */
async function msUntilServing(urls: readonly string[], database: TestDatabase): Promise<number> {
  await until(() => database.sql("select 1"), { what: "Postgres to recover", timeoutMs: 60_000 });
  const backAt = performance.now();
  const serves = async (url: string) => {
    const ask = (path: string) =>
      get(`${url}${path}`, { timeoutMs: 2000 }).then(
        (reply) => reply.status,
        () => 0,
      );
    return (await ask("/jobs?limit=1")) === 200 && (await ask("/ready")) === 200;
  };
  const both = async () => (await Promise.all(urls.map(serves))).every(Boolean);
  await until(both, { what: "both workers to serve", timeoutMs: 30_000 });
  return performance.now() - backAt;
}
