import { executeEvent } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { Fleet } from "./fleet.ts";
import { atLeast, atMost, exactly, type Scenario, sized } from "./scenario.ts";
import { inParallel, sendLikeBroker } from "./sender.ts";

const LIVE = 20;

/** Old jobs go while others run, and whoever deletes them is killed again and again in the middle of it. */
export const scenario: Scenario = {
  id: "T16",
  title: "retention: old jobs go in mid-traffic, under kills",
  run: async (scale, say) => {
    const old = sized(scale, { small: 4000, usual: 20_000, full: 100_000 });
    const kills = sized(scale, { small: 2, usual: 5, full: 10 });
    const events = sized(scale, { small: 40, usual: 400, full: 2000 });
    await using database = await freshDatabase({ mayLeak: true });
    const sink = await startSink();
    await fill(database, old);
    const fleet = await Fleet.start({ database, sinkUrl: sink.url, size: 1, env: { RETENTION_DAYS: "36" } });
    const all = Array.from({ length: events }, () => executeEvent());
    const before = await timesOf(all.slice(0, events / 2), fleet);

    // From here on they are too old, and each start looks at once.
    const [first] = await oldJobs(database);
    let midway = 0;
    let orphansAfterKill = 0;
    await fleet.worker(0).kill("SIGTERM");
    const pruning = await Fleet.start({ database, sinkUrl: sink.url, size: 1, env: { RETENTION_DAYS: "7" } });
    for (let kill = 0; kill < kills; kill++) {
      const share = old - Math.floor((old * (kill + 1)) / (kills + 2));
      const [left] = await until(
        async () => {
          const counted = await oldJobs(database);
          return counted[0] <= share && counted;
        },
        { what: `${share} old jobs left`, timeoutMs: 120_000 },
      );
      await pruning.worker(0).kill("SIGKILL");
      if (left > 0) midway++;
      orphansAfterKill += await orphans(database);
      await pruning.restart(0);
    }
    const during = await timesOf(all.slice(events / 2), pruning);
    await until(async () => (await oldJobs(database))[0] === 0, { what: "no old jobs", timeoutMs: 300_000 });
    say(`p95 before ${before.toFixed(0)} ms, while deleting ${during.toFixed(0)} ms`);

    const [row] = await database.sql(
      `select count(*) filter (where status = 'waiting')::int as waiting,
              count(*) filter (where status = 'completed')::int as completed from agent_executor.runs`,
    );
    const [log] = await database.sql(
      "select count(*)::int as n from agent_executor.event_log where type = 'job.deleted'",
    );
    const left = await orphans(database);
    await Promise.all([fleet.stop(), pruning.stop()]);
    await sink.close();
    return [
      exactly("old jobs at the beginning", old, first),
      atLeast("kills while jobs were left", 1, midway),
      exactly("orphans after the kills", 0, orphansAfterKill),
      exactly("orphans at the end", 0, left),
      exactly("old jobs that wait for a person, untouched", LIVE, Number(row?.["waiting"])),
      exactly("runs that completed meanwhile", events, Number(row?.["completed"])),
      exactly("deletions in the event log", old, Number(log?.["n"])),
      // In the small edition a start falls into the time that is measured.
      ...(scale === "small"
        ? []
        : [
            atMost(
              "p95 of runs while jobs are deleted, to before",
              scale === "full" ? 1.1 : 2,
              during / before,
            ),
          ]),
    ];
  },
};

/** Old final jobs with a row in every table, and old ones that wait for a person. */
async function fill(database: TestDatabase, jobs: number): Promise<void> {
  const ago = "now() - interval '30 days'";
  const run = "md5(i::text)::uuid";
  for (const text of [
    `insert into definitions (hash, body, created_at) values ('old', '{}', ${ago})`,
    `insert into jobs (job_id, last_seq, definition_hash, created_at) select 'old-' || i, 1, 'old', ${ago} from numbers i`,
    `insert into runs (run_id, job_id, seq, source, event_id, request, definition_hash, status, accepted_at, settled_at)
     select ${run}, 'old-' || i, 1, 'tests', i::text, '{}', 'old',
            case when i <= ${LIVE} then 'waiting' else 'completed' end, ${ago}, case when i > ${LIVE} then ${ago} end
       from numbers i`,
    `insert into events (source, event_id, kind, run_id, accepted_at) select 'tests', i::text, 'execute', ${run}, ${ago} from numbers i`,
    `insert into interrupts (interrupt_id, run_id, wait_no, graph_id) select ${run}, ${run}, 0, 'g' from numbers i`,
    `insert into outbox (event_id, target, job_id, job_event_no, event, created_at, delivered_at)
     select ${run}, 'sink', 'old-' || i, 1, '{}', ${ago}, ${ago} from numbers i`,
    `insert into journal (run_id, task, slot, digest, state) select ${run}, 't', 0, 'd', 'done' from numbers i`,
    `insert into checkpoints (thread_id, checkpoint_ns, checkpoint_id, checkpoint) select 'old-' || i, '', '1', '{}' from numbers i`,
    `insert into checkpoint_blobs (thread_id, checkpoint_ns, channel, version, type) select 'old-' || i, '', 'c', '1', 'json' from numbers i`,
    `insert into checkpoint_writes (thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob)
     select 'old-' || i, '', '1', 't', 0, 'c', 'json', '' from numbers i`,
  ]) {
    const named = text.replace(/insert into (\w+)/, "insert into agent_executor.$1");
    await database.sql(named.replace("from numbers i", `from generate_series(1, ${jobs + LIVE}) i`));
  }
}

async function oldJobs(database: TestDatabase): Promise<[number]> {
  const [row] = await database.sql(
    `select count(*)::int - ${LIVE} as n from agent_executor.jobs where job_id like 'old-%'`,
  );
  return [Number(row?.["n"])];
}

/** Rows of a job that is not there. */
async function orphans(database: TestDatabase): Promise<number> {
  const ofJob = (table: string, column = "job_id") =>
    `select count(*) as n from agent_executor.${table} t where not exists (select 1 from agent_executor.jobs j where j.job_id = t.${column})`;
  const ofRun = (table: string) =>
    `select count(*) as n from agent_executor.${table} t where not exists (select 1 from agent_executor.runs r where r.run_id = t.run_id)`;
  const threads = ["checkpoints", "checkpoint_blobs", "checkpoint_writes"].map((table) =>
    ofJob(table, "thread_id"),
  );
  const all = [
    ...[ofJob("runs"), ofJob("outbox"), `${ofJob("event_log")} and t.type <> 'job.deleted'`],
    ...[ofRun("events"), ofRun("journal"), ofRun("interrupts"), ...threads],
  ];
  const [row] = await database.sql(`select sum(n)::int as n from (${all.join(" union all ")}) as each`);
  return Number(row?.["n"]);
}

/** The 95th percentile of so many events, four at a time. */
async function timesOf(events: readonly ReturnType<typeof executeEvent>[], fleet: Fleet): Promise<number> {
  const times: number[] = [];
  await inParallel(events, 4, async (event, n) => {
    const startedAt = performance.now();
    await sendLikeBroker(event, () => fleet.urls, { first: n });
    times.push(performance.now() - startedAt);
  });
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.95)] ?? 0;
}
