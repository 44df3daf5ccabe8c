import { randomBytes, randomInt } from "node:crypto";
import process from "node:process";
import fc from "fast-check";
import { freshDatabase } from "../support/databases.ts";
import { type ModelServer, startModelServer } from "../support/model-server.ts";
import { startSink } from "../support/sink.ts";
import { Fleet } from "./fleet.ts";
import { LaneOfJobs, laneCommands, type Stage } from "./model-commands.ts";
import { resultsCome } from "./results.ts";
import { atLeast, exactly, type Figure, outcomeFigures, type Scenario, sized } from "./scenario.ts";

const LANES = 5;
/** A kill must not come before the last one is healed, or nothing else happens. */
const KILL_EVERY_MS = 4000;

/**
 * Random sequences of what callers and fate do, against a model small enough to be right: a job is a
 * list of events in order, each ends once, and completed turns are what the thread remembers.
 */
export const scenario: Scenario = {
  id: "T19",
  title: "random sequences of events, copies, cancels and kills against a reference model",
  run: async (scale, say) => {
    const sequences = sized(scale, { small: 15, usual: 60, full: 1000 });
    await using database = await freshDatabase({ mayLeak: true });
    const sink = await startSink();
    const models = await startModelServer();
    models.reply(answerWithWhatWasSaid);
    const env = { OPENAI_BASE_URL: models.openaiUrl, RUN_MAX_ATTEMPTS: "1000" };
    const fleet = await Fleet.start({ database, sinkUrl: sink.url, size: 2, env });
    const stage = { fleet, database, sink, kill: oneAtATime(fleet) };
    const seed = Number(process.env["FAULTS_SEED"] ?? randomInt(2 ** 31));
    say(`seed ${seed}`);

    const limitMs = sized(scale, { small: 60_000, usual: 120_000, full: 3_600_000 }); // shrinking included
    let events = 0;
    let commands = 0;
    let played = 0;
    const failures: string[] = [];
    const lanes = Array.from({ length: LANES }, async (_, lane) => {
      const numRuns = Math.ceil(sequences / LANES);
      const property = fc.asyncProperty(laneCommands(), async (cmds) => {
        const name = `model-${lane}-${randomBytes(4).toString("hex")}`;
        const real = new LaneOfJobs(name, stage);
        const start = () => ({ model: real.model, real });
        await fc.asyncModelRun(start, cmds);
        await real.settle();
        events += real.accepted;
        commands += real.commands;
      });
      const details = await fc.check(property, {
        seed: seed + lane,
        numRuns,
        interruptAfterTimeLimit: limitMs,
      });
      played += details.numRuns;
      if (!details.failed) return;
      const shrunk = String(details.counterexample?.[0]);
      failures.push(
        `{ seed: ${details.seed}, path: "${details.counterexamplePath}" } ${shrunk}: ${String(details.errorInstance)}`,
      );
    });
    await Promise.all(lanes);
    say(`${commands} commands, ${events} events, ${fleet.kills} kills`);
    for (const failure of failures) say(failure);

    // What a diverging sequence left behind would only repeat its failure here.
    const figures: Figure[] = [];
    if (failures.length === 0) {
      await resultsCome(sink, events, 20_000);
      figures.push(...(await outcomeFigures(database, sink, events)));
    }
    await fleet.stop();
    await Promise.all([sink.close(), models.close()]);
    return [
      ...figures,
      atLeast("sequences", sequences, played),
      atLeast("workers killed", sized(scale, { small: 1, usual: 5, full: 100 }), fleet.kills),
      exactly("sequences that went another way than the model", "none", failures[0]?.slice(0, 600) ?? "none"),
    ];
  },
};

/** `word/ms`: the model thinks so long, and answers with all words the user said in this thread. */
function answerWithWhatWasSaid({ json }: ModelServer["requests"][number]) {
  const messages = json["messages"] as { role: string; content: string }[]; // the shape of the dialect
  const said = messages.filter(({ role }) => role === "user").map(({ content }) => content);
  return { content: said.join(" "), delay_ms: Number(said.at(-1)?.split("/")[1] ?? 0) };
}

function oneAtATime(fleet: Fleet): Stage["kill"] {
  let killing: Promise<void> | undefined;
  let killedAt = Number.NEGATIVE_INFINITY;
  return async (worker) => {
    if (killing === undefined && performance.now() - killedAt > KILL_EVERY_MS) {
      killedAt = performance.now();
      killing = fleet.killAndRestart(worker).finally(() => {
        killing = undefined;
      });
    }
    await killing;
  };
}
