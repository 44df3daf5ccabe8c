import { randomUUID } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type ExecuteEvent, executeEvent, scripted } from "../support/agents.ts";
import { callingAgent, type Interrupt, resumeEvent } from "../support/approvals.ts";
import { freshDatabase } from "../support/databases.ts";
import { get, postEvent, postJson, type Reply, send } from "../support/post.ts";
import { type Sink, startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";
import { crashEdition, crashEnv } from "./crash-edition.ts";
import { Fleet } from "./fleet.ts";
import { exactly, type Figure, type Scenario, sized } from "./scenario.ts";
import { inParallel, sendLikeBroker } from "./sender.ts";
import { startToolServer, workingAgent } from "./tool-server.ts";

/** Every place between two effects that last: the process dies there, and dies there again. */
export const scenario: Scenario = {
  id: "T2",
  title: "crash points: killed at every named place, once and twice in a row",
  run: async (scale, say) => {
    // Those of the NATS door need NATS: test/nats/crash-points.test.ts dies there.
    const points = (await crashPoints()).filter((name) => !name.startsWith("nats: "));
    const deaths = sized(scale, { small: [2], usual: [1, 2], full: [1, 2, 3] });
    const cases = points.flatMap((point) => deaths.map((times) => ({ point, times })));
    await crashEdition();
    const failures: string[] = [];
    await inParallel(cases, 4, async ({ point, times }) => {
      const wrong = await dieAt(point, times).catch((error: unknown) => [String(error)]);
      if (wrong.length > 0) say(`${point} × ${times}: ${wrong.join("; ")}`);
      failures.push(...wrong.map((text) => `${point} × ${times}: ${text}`));
    });
    const figures: Figure[] = [
      exactly("places in the code", points.length, new Set(points).size),
      exactly("places × times that went wrong", 0, new Set(failures.map((text) => text.split(":")[0])).size),
    ];
    return [
      ...figures,
      { what: "at least 14 places", wanted: "≥ 14", got: String(points.length), ok: points.length >= 14 },
    ];
  },
};

/** As they stand in the code: a new place is tried without anybody listing it. */
export async function crashPoints(): Promise<string[]> {
  const src = resolve(import.meta.dirname, "../../src");
  const names: string[] = [];
  for (const file of await readdir(src, { recursive: true })) {
    if (!file.endsWith(".ts")) continue;
    const text = await readFile(join(src, file), "utf8");
    for (const [, name] of text.matchAll(/crashPoint\("([^"]+)"/g)) names.push(name ?? "");
  }
  return names.sort();
}

/** Plays the same work against a process that dies at the place so many times, and says what is wrong after it. */
async function dieAt(point: string, times: number): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "agent-executor-crash-"));
  const notes = join(folder, "deaths");
  const entry = await crashEdition();
  const database = await freshDatabase({ mayLeak: true });
  const sink = await startSink();
  const tools = await startToolServer();
  // A row whose process died while posting it rests for twice the time a POST may take.
  const common = { RUN_MAX_ATTEMPTS: "20", SINK_DEADLINE_SECONDS: "2", K_SINK_TIMEOUT: "3" };
  const dying = { ...common, ...crashEnv({ at: point, notes }) };
  await database.sql(AN_OLD_JOB); // for the retention to delete
  const start = (env: Record<string, string>) =>
    Fleet.start({ database, sinkUrl: sink.url, size: 1, env, entry });
  let fleet = await start(dying);
  let over = false;
  try {
    const work = playWork(() => fleet.urls, tools.url, sink);
    const keeper = (async () => {
      for (let death = 1; !over; death++) {
        await Promise.race([
          fleet.worker(0).exited,
          until(() => over, { what: "the end", timeoutMs: 300_000 }),
        ]);
        if (!over) fleet = await start(death < times ? dying : common);
      }
    })();
    const expected = await work;
    const all = () => missing(sink, expected).length === 0;
    await until(all, { what: "every outcome", timeoutMs: 60_000 }).catch(() => undefined); // told below
    over = true;
    await keeper;

    const wrong: string[] = [];
    const reached = (await readFile(notes, "utf8").catch(() => "")).trim().split("\n").filter(Boolean).length;
    if (reached === 0) wrong.push("the place was never reached");
    const lost = missing(sink, expected);
    if (lost.length > 0) wrong.push(`${lost.length} events without an outcome`);
    const repeated = [...tools.counts().values()].filter((count) => count > 1 + reached).length;
    if (repeated > 0) wrong.push(`${repeated} tool calls made more often than it died`);
    const [row] = await database.sql(
      `select (select count(*)::int from agent_executor.runs where status in ('queued', 'running', 'waiting')) as live,
              (select count(*)::int from (select 1 from agent_executor.outbox group by event_id having count(*) > 1) d) as twice,
              (select count(*)::int from agent_executor.runs r where (select count(*) from agent_executor.outbox o
                 where o.job_id = r.job_id and o.event not like '%.interrupted"%') <> (select count(*) from agent_executor.runs s where s.job_id = r.job_id)) as odd`,
    );
    if (Number(row?.["live"]) > 0) wrong.push(`${row?.["live"]} runs left`);
    if (Number(row?.["twice"]) > 0 || Number(row?.["odd"]) > 0) wrong.push("runs without exactly one result");
    return wrong;
  } finally {
    over = true;
    await fleet.stop();
    await Promise.all([sink.close(), tools.close(), rm(folder, { recursive: true, force: true })]);
    await database[Symbol.asyncDispose]();
  }
}

const AN_OLD_JOB = `
  insert into agent_executor.jobs (job_id, last_seq, created_at) values ('old', 0, now() - interval '1 year')`;

/** Execute events whose result has not come. */
function missing(sink: Sink, expected: readonly ExecuteEvent[]): ExecuteEvent[] {
  const ended = sink.accepted().filter((event) => !event.type.endsWith(".interrupted"));
  const come = new Set(ended.map((event) => event.causationid));
  return expected.filter((event) => !come.has(event.id));
}

/**
 * A little of everything: turns, tools, a batch, a first turn that fails and is retried, one that is postponed, a cancel,
 * a call that is approved and one whose approval comes too late.
 */
async function playWork(
  doors: () => readonly string[],
  toolUrl: string,
  sink: Sink,
): Promise<ExecuteEvent[]> {
  const post = (event: ExecuteEvent) => sendLikeBroker(event, doors, { forMs: 60_000 });
  const job = randomUUID();
  const agent_definition = workingAgent(toolUrl, 2);
  const first = executeEvent({ job_id: job, agent_definition });
  const second = executeEvent({ job_id: job });
  const refused = executeEvent({
    job_id: "refused",
    agent_definition: scripted({ error: { status: 400, message: "no" } }),
  });
  const after = executeEvent({ job_id: "refused", agent_definition: scripted("yes") });
  const batched = executeEvent();
  const busy = scripted({ error: { status: 503, message: "busy" } });
  const postponed = executeEvent({ job_id: "busy", agent_definition: busy });
  const long = executeEvent({
    job_id: "long",
    agent_definition: scripted({ content: "x", delay_ms: 60_000 }),
  });

  const pay = [[{ name: "pay", args: { amount: 1 } }]];
  const asking = executeEvent({ job_id: "asking", agent_definition: callingAgent(toolUrl, pay) });
  const approval = { expires_in_seconds: 1, default: "approve" };
  const forgotten = executeEvent({
    job_id: "forgotten",
    agent_definition: callingAgent(toolUrl, pay, { approval }),
  });

  await sendLikeBroker(forgotten, doors, { prefer: "respond-async" });
  await post(asking);
  await approveAll(asking, doors, sink);
  await post(first);
  await post(second);
  await post(refused);
  await retryFirstRun(doors, "refused");
  await post(after);
  await persist(() => postBatch(doors()[0] ?? "", [batched]));
  const prefer = "respond-async";
  await sendLikeBroker(long, doors, { prefer });
  await sendLikeBroker(postponed, doors, { prefer });
  await until(() => missing(sink, [batched]).length === 0, { what: "the batch", timeoutMs: 30_000 });
  // A run that keeps failing and one that takes too long: both are ended by hand.
  for (const job_id of ["long", "busy"]) {
    const cancel = {
      id: randomUUID(),
      source: "tests",
      type: "dev.my-platform.agent.cancel",
      data: { job_id },
    };
    await persist(() => postEvent(doors()[0] ?? "", cancel, { timeoutMs: 10_000 }));
  }
  return [asking, forgotten, first, second, refused, after, batched, long, postponed];
}

/** Asks until somebody says that the run is retried: by its id, so that its retry is not retried in turn. */
async function retryFirstRun(doors: () => readonly string[], job: string): Promise<void> {
  await persist(async () => {
    const path = `${doors()[0]}/jobs/${job}`;
    const { runs } = (await get(path)).json() as { runs: { run_id: string }[] }; // the contract of the route
    return await postJson(`${path}/retry`, { run_id: runs[0]?.run_id });
  });
}

/** Approves what a job asks, once it has asked. */
async function approveAll(event: ExecuteEvent, doors: () => readonly string[], sink: Sink): Promise<void> {
  const questions = () =>
    sink
      .accepted()
      .filter(({ causationid, type }) => causationid === event.id && type.endsWith(".interrupted"))
      .flatMap(({ data }) => (data as { interrupts: Interrupt[] }).interrupts); // the contract of the event
  await until(() => questions().length > 0, { what: "the question", timeoutMs: 60_000 });
  // The event may have come twice, for its process may have died before it marked it as posted.
  const asked = new Set(questions().map(({ interrupt_id }) => interrupt_id));
  const decisions = [...asked].map((interrupt_id) => ({ interrupt_id, decision: "approve" }));
  const resume = resumeEvent(String(event.data["job_id"]), { decisions });
  await persist(() => postEvent(doors()[0] ?? "", resume, { timeoutMs: 10_000 }));
}

async function postBatch(url: string, events: readonly ExecuteEvent[]): Promise<boolean> {
  const headers = { "content-type": "application/cloudevents-batch+json" };
  const batch = events.map((event) => ({ specversion: "1.0", ...event }));
  const reply = await send("POST", url, JSON.stringify(batch), { headers, timeoutMs: 10_000 });
  return reply.status === 202;
}

/** Until it is taken; a failure says what came last. */
async function persist(attempt: () => Promise<boolean | Reply>): Promise<void> {
  let last = "nothing";
  const isTaken = async () => {
    const came = await attempt().catch((error: unknown) => String(error));
    last = typeof came === "object" ? `${came.status} ${came.text.slice(0, 200)}` : String(came);
    return came === true || (typeof came === "object" && came.status < 400);
  };
  await until(isTaken, { what: "the request to be taken", timeoutMs: 60_000 }).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : error}: ${last}`, { cause: error });
  });
}
