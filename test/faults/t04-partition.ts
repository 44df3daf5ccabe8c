import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { type ExecuteEvent, executeEvent, scripted } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { Fleet } from "./fleet.ts";
import { type ProxyMode, TcpProxy } from "./proxy.ts";
import { endedAs, linesWith, noneOf, resultsCome, watchEnds } from "./results.ts";
import {
  atLeast,
  atMost,
  exactly,
  type Figure,
  outcomeFigures,
  type Scale,
  type Scenario,
  sized,
} from "./scenario.ts";
import { inParallel, sendLikeBroker } from "./sender.ts";

const MODES: readonly ProxyMode[] = ["half-open", "cut", "held", "delay", "trickle"];
/** What may come between a worker and Postgres; `stalled`: the worker itself stands still, and wakes again. */
type Gap = ProxyMode | "stalled";
const LEASE_MS = 3000;
const prefer = "respond-async";

/**
 * A bad link between one worker and Postgres for longer than its lease, a worker that stands still for
 * so long, and a bad link between all and the sink.
 */
export const scenario: Scenario = {
  id: "T4",
  title: "partition of a worker from Postgres, and from the sink (Redis is not used by this version)",
  run: async (scale, say) => {
    const all: Gap[] = [...MODES, "stalled"];
    const gaps = sized<Gap[]>(scale, { small: ["half-open", "stalled"], usual: all, full: all });
    const figures = await Promise.all([
      ...gaps.map((gap) => fromPostgres(gap, scale, say)),
      ...(scale === "small" ? [] : [fromSink(scale, say)]),
    ]);
    return figures.flat();
  },
};

/** `entry`: another edition of the service than the built one. */
export async function fromPostgres(
  gap: Gap,
  scale: Scale,
  say: (line: string) => void,
  entry?: string,
): Promise<Figure[]> {
  const atWork = sized(scale, { small: 3, usual: 8, full: 30 });
  const later = sized(scale, { small: 6, usual: 20, full: 200 });
  const rounds = sized(scale, { small: 1, usual: 1, full: 10 });
  const events = rounds * (atWork + later) + 1;
  const database = await freshDatabase({ mayLeak: true });
  const sink = await startSink();
  const proxies = [await TcpProxy.to(database), await TcpProxy.to(database)];
  const postgresPort = (worker: number) => proxies[worker]?.port ?? 0;
  const edition = entry === undefined ? {} : { entry };
  const fleet = await Fleet.start({ database, sinkUrl: sink.url, size: 2, postgresPort, ...edition });
  const workers = [fleet.worker(0), fleet.worker(1)];
  const watched = watchEnds(workers);
  const audit = startAudit(database);
  const refused: string[] = [];
  const isOver = false;
  let slowest = 0;
  for (let round = 0; round < rounds; round++) await play();
  const [last] = longOnes(1);
  if (last) await send(last, fleet.urls.slice(0, 1));
  await resultsCome(sink, events, 30_000);
  const doubles = await audit.stop();

  async function play(): Promise<void> {
    const [url = ""] = fleet.urls;
    const first = fleet.worker(0).logs.length;
    await inParallel(longOnes(atWork), 8, async (event) => {
      await send(event, [url]);
    });
    await until(() => running(database, atWork), { what: "runs at work", timeoutMs: 15_000 });
    open();
    const sending = inParallel(many(later), 4, async (event, n) => {
      await delay(n * 100);
      await send(event, fleet.urls, n);
    });
    await delay(LEASE_MS + 2000);
    heal();
    await sending;
    say(`${gap}: healed; worker 0 wrote ${fleet.worker(0).logs.length - first} lines`);
  }

  function open(): void {
    if (gap === "stalled") process.kill(fleet.worker(0).pid, "SIGSTOP");
    else proxies[0]?.set(gap);
  }

  function heal(): void {
    if (gap === "stalled") process.kill(fleet.worker(0).pid, "SIGCONT");
    else proxies[0]?.set("pass");
  }

  async function send(event: ExecuteEvent, urls: string[], first = 0): Promise<void> {
    const sentAt = performance.now();
    const doors = () => {
      if (isOver) throw new Error("nobody sends any more");
      return urls;
    };
    const sent = sendLikeBroker(event, doors, { first, prefer, forMs: 30_000 }).catch(() => undefined);
    const answer = await Promise.race([sent, delay(30_000, undefined, { ref: false })]);
    slowest = Math.max(slowest, performance.now() - sentAt);
    if (answer === undefined) refused.push(event.id);
  }

  const takenOver = await count(
    database,
    "select count(*)::int as n from agent_executor.runs where attempt > 1",
  );
  const [healed] = await database.sql("select attempt from agent_executor.runs where event_id = $1", [
    last?.id,
  ]);
  const figures = [
    ...(await outcomeFigures(database, sink, events)),
    noneOf("events that no worker took in 30 s", refused),
    atMost("slowest taking of an event", 20, slowest / 1000, " s"),
    exactly("attempts of a long run at worker 0 after it", 1, Number(healed?.["attempt"])),
    exactly("results that are completed", events, endedAs(sink, "completed")),
    exactly("samples with two live leases of a job", 0, doubles),
    exactly("runs with more than one outcome", 0, await count(database, TWO_OUTCOMES)),
    exactly("checkpoints that an old attempt wrote after a newer one", 0, await count(database, LATE_WRITES)),
    ...(gap === "delay" ? [] : [atLeast("runs that another worker took over", atWork, takenOver)]),
    noneOf(
      "processes that ended",
      watched.flatMap(({ ended }) => ended ?? []),
    ),
    noneOf("lines about unhandled errors", linesWith(workers, /unhandled|uncaught/i)),
    exactly("worker 0 takes and runs events after it", "yes", await serves(fleet)),
  ];
  await fleet.stop();
  await Promise.all([sink.close(), ...proxies.map((proxy) => proxy.close())]);
  await database[Symbol.asyncDispose]();
  return figures.map((figure) => ({ ...figure, what: `Postgres ${gap}: ${figure.what}` }));
}

async function fromSink(scale: Scale, say: (line: string) => void): Promise<Figure[]> {
  const each = sized(scale, { small: 5, usual: 20, full: 200 });
  const events = each * MODES.length;
  await using database = await freshDatabase({ mayLeak: true });
  const sink = await startSink();
  const proxy = await TcpProxy.to({ host: "127.0.0.1", port: sink.port });
  const env = { K_SINK_TIMEOUT: "2" };
  const fleet = await Fleet.start({ database, sinkUrl: `http://127.0.0.1:${proxy.port}/`, size: 2, env });
  for (const mode of MODES) {
    proxy.set(mode);
    await inParallel(many(each), 8, async (event, n) => {
      await sendLikeBroker(event, () => fleet.urls, { first: n, prefer });
    });
    await delay(3000);
    proxy.set("pass");
    say(`sink ${mode}: healed with ${sink.accepted().length} results there`);
  }
  await resultsCome(sink, events, 40_000);
  const pending = "select count(*)::int as n from agent_executor.outbox where delivered_at is null";
  await until(async () => (await count(database, pending)) === 0, { what: "marks", timeoutMs: 40_000 }).catch(
    () => undefined, // the figure tells
  );
  const figures = [
    ...(await outcomeFigures(database, sink, events)),
    exactly("results not marked as delivered", 0, await count(database, pending)),
  ];
  await fleet.stop();
  await Promise.all([sink.close(), proxy.close()]);
  return figures.map((figure) => ({ ...figure, what: `sink: ${figure.what}` }));
}

/** Longer than a lease, so that it must be renewed. */
function longOnes(n: number): ExecuteEvent[] {
  return many(n, () => ({ agent_definition: scripted({ content: "long", delay_ms: LEASE_MS + 1500 }) }));
}

/** Looks every 100 ms for a job that two runs hold a live lease of. */
function startAudit(database: TestDatabase): { stop(): Promise<number> } {
  let doubles = 0;
  let isOver = false;
  const look = async () => {
    while (!isOver) {
      doubles += await count(database, TWO_LEASES);
      await delay(100);
    }
  };
  const looking = look();
  return {
    stop: async () => {
      isOver = true;
      await looking;
      return doubles;
    },
  };
}

const TWO_LEASES = `
  select count(*)::int as n from (
    select 1 from agent_executor.runs where status = 'running' and leased_until >= now()
     group by job_id having count(*) > 1) as doubled`;

const TWO_OUTCOMES = `
  select count(*)::int as n from (
    select 1 from agent_executor.outbox o join agent_executor.runs r using (job_id)
     group by r.job_id having count(distinct o.event_id) <> count(distinct r.run_id)) as wrong`;

/** A transaction gets its number once it holds the lease's row, so numbers follow the order of the writers. */
const LATE_WRITES = `
  select count(*)::int as n from (
    select (metadata ->> 'attempt')::int as attempt,
           max((metadata ->> 'attempt')::int) over (
             partition by metadata ->> 'run_id' order by xmin::text::bigint) as newest
      from agent_executor.checkpoints) as written
   where attempt < newest`;

async function count(database: TestDatabase, sql: string): Promise<number> {
  const [row] = await database.sql(sql);
  return Number(row?.["n"]);
}

async function running(database: TestDatabase, wanted: number): Promise<boolean> {
  return (
    (await count(database, "select count(*)::int as n from agent_executor.runs where status = 'running'")) >=
    wanted
  );
}

/** Its pool may be full of dead connections: it must notice by itself. */
async function serves(fleet: Fleet): Promise<string> {
  const { url } = fleet.worker(0);
  const answer = await fetch(`${url}/jobs?limit=1`, { signal: AbortSignal.timeout(5000) }).catch(
    () => undefined,
  );
  return answer?.status === 200 ? "yes" : `no (${answer?.status ?? "silent"})`;
}

function many(n: number, data: () => Record<string, unknown> = () => ({})): ExecuteEvent[] {
  return Array.from({ length: n }, () => executeEvent(data()));
}
