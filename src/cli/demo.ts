import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Api, jobPath } from "./api.ts";
import { noMore, OUTPUT, readArguments, wantsJson } from "./arguments.ts";
import { DemoWorker } from "./demo-worker.ts";
import { startWorld, type World } from "./demo-world.ts";
import { CommandFailed } from "./exit.ts";
import { type Paint, painter } from "./paint.ts";
import type { CliTools } from "./tools.ts";
import { UsageError } from "./usage-error.ts";

const STEPS = 5;
/** The worker dies while this call is out: its effect has happened, and nobody has written that down. */
const KILLED_AT = 3;
const JOB = "demo-crash";

/** demo crash: the promises, seen in a few seconds. */
export async function demo([what, ...args]: readonly string[], tools: CliTools): Promise<void> {
  if (what !== "crash") throw new UsageError("demo takes crash");
  const { values, positionals } = readArguments(args, OUTPUT);
  noMore(positionals, 0);
  const asJson = wantsJson(values, tools);
  const paint = painter(tools);
  const startedAt = performance.now();
  const say = (line: string) => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(5);
    if (!asJson) tools.print(`${paint("dim", `${seconds} s`)}  ${line}`);
  };
  const seen = await play(tools, say, paint);
  const report = { ...seen, seconds: Math.round((performance.now() - startedAt) / 100) / 10 };
  if (asJson) tools.print(JSON.stringify(report));
  else for (const line of wordsFor(report, paint)) tools.print(line);
  const isRight =
    report.results === 1 &&
    report.calls.length === STEPS &&
    report.calls.every(({ effects }) => effects === 1);
  if (!isRight)
    throw new CommandFailed("the run did not end as promised: please report this, with the lines above");
}

type Seen = {
  calls: { step: number; requests: number; effects: number }[];
  results: number;
  attempts: number;
};

async function play(
  { serviceCommand, env }: CliTools,
  say: (line: string) => void,
  paint: Paint,
): Promise<Seen> {
  const folder = await mkdtemp(join(tmpdir(), "agent-executor-demo-"));
  const world = await startWorld();
  const start = () => DemoWorker.start(serviceCommand, { ...homeOf(env), ...settings(folder, world) });
  let worker: DemoWorker | undefined;
  try {
    worker = await start();
    say(`worker ${worker.pid} is up, with a Postgres of its own`);
    const api = new Api(worker.url);
    await api.post("/", executeEvent(world.url), {
      "content-type": "application/cloudevents+json",
      prefer: "respond-async",
    });
    say(`one event sent: an agent that charges ${STEPS} times, a step each`);
    await world.callOf(KILLED_AT, (step) => say(`  charge ${step} arrives at the shop`));
    await worker.kill();
    say(paint("red", `kill -9 ${worker.pid}, while charge ${KILLED_AT} is out`));
    worker = await start();
    say(`worker ${worker.pid} is up; the lease of the dead one runs out, and it takes the run over`);
    await world.result((step, again) =>
      say(
        `  charge ${step} arrives${again ? ", with the key it had before: not charged again" : " at the shop"}`,
      ),
    );
    const { runs } = (await new Api(worker.url).get(jobPath(JOB))) as {
      runs: { attempt: number; status: string }[];
    };
    say(paint("green", `the result is there: ${runs[0]?.status}, attempt ${runs[0]?.attempt}`));
    return { calls: world.calls(), results: world.results(), attempts: runs[0]?.attempt ?? 0 };
  } finally {
    await worker?.kill();
    await world.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a process needs to be one; the rest of the environment is not the demo's. */
function homeOf({ PATH, HOME, NODE_OPTIONS }: CliTools["env"]): Record<string, string> {
  return { ...(PATH && { PATH }), ...(HOME && { HOME }), ...(NODE_OPTIONS && { NODE_OPTIONS }) };
}

function settings(folder: string, world: World): Record<string, string> {
  return {
    DATA_DIR: folder,
    LOG_LEVEL: "silent",
    RUN_LEASE_SECONDS: "3",
    K_SINK: `${world.url}/results`,
    EGRESS_ALLOW: new URL(world.url).host,
    ALLOW_OFFLINE_MODELS: "true",
  };
}

function executeEvent(url: string): unknown {
  const charge = {
    name: "charge",
    description: "Charges the customer.",
    input_schema: { type: "object", properties: { step: { type: "integer" } }, required: ["step"] },
    runtime: { type: "http", method: "POST", url: `${url}/charge`, body: { step: "{step}" } },
    effect: "write",
    on_unknown: "retry",
  };
  const calls = Array.from({ length: STEPS }, (_, i) => ({
    tool_calls: [{ name: "charge", args: { step: i + 1 } }],
  }));
  const model = { provider: "scripted", model: "any", responses: [...calls, `charged ${STEPS} times`] };
  return {
    ...{ specversion: "1.0", id: JOB, source: "demo", type: "dev.my-platform.agent.execute" },
    data: {
      job_id: JOB,
      agent_definition: {
        tool_definitions: [charge],
        nodes: [{ type: "agent", name: "cashier", model, tools: ["charge"] }],
      },
      input: "Charge the customer, step by step.",
    },
  };
}

function wordsFor({ calls, results, attempts, seconds }: Seen & { seconds: number }, paint: Paint): string[] {
  return [
    "",
    paint("bold", "charge  requests  effects"),
    ...calls.map(({ step, requests, effects }) => {
      const note = requests > 1 ? "  cut by the kill, and sent again with the same idempotency key" : "";
      return `${String(step).padStart(6)}  ${String(requests).padStart(8)}  ${String(effects).padStart(7)}${note}`;
    }),
    "",
    `${attempts} attempts, ${results} result, every charge took effect once; ${seconds} s. What had its result was not called again.`,
  ];
}
