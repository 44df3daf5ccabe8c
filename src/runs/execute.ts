import type { CheckpointTuple } from "@langchain/langgraph-checkpoint";
import type { Agents, CompiledAgent } from "../agents/compile.ts";
import type { RunFacts } from "../agents/run-facts.ts";
import { Journal } from "../checkpoints/journal.ts";
import type { PendingQuestion } from "../checkpoints/questions.ts";
import type { RunSaver } from "../checkpoints/run-saver.ts";
import { AgentError } from "../errors/agent-error.ts";
import { nameAgent } from "../observability/attempt-span.ts";
import type { Price } from "../observability/prices.ts";
import { RunWatch } from "../observability/run-watch.ts";
import { activeSpan, contextOf, inSpan, ROOT_CONTEXT } from "../observability/spans.ts";
import type { Database } from "../postgres/database.ts";
import type { FrameLog } from "../streaming/frame-log.ts";
import { RunStream } from "../streaming/run-stream.ts";
import { unconsumedAnswers } from "./answers.ts";
import { Cancelled, cancelledOutcome } from "./cancel.ts";
import { describeFailure } from "./failure.ts";
import { effectiveLimits, type Limits, limitExceeded, Meter, NO_USAGE } from "./limits.ts";
import { definitionBody } from "./repository.ts";
import type { ClaimedRun, Outcome, StoredRequest, Usage } from "./run.ts";
import type { Interrupted } from "./settle-waiting.ts";

/** What a run needs from the rest of the house. */
export type RunTools = {
  db: Database;
  agents: Agents;
  maxLimits: Limits;
  /** What readers are told while it works. */
  streams: FrameLog;
  /** What models cost, where the operator says so. */
  prices?: ReadonlyMap<string, Price> | undefined;
};

/** A failure that may pass: the run goes back to the queue instead of ending. */
export type Postponed = { kind: "postponed"; error: AgentError; gotOn: boolean; usage: Usage };

/** How long a run that goes back to the queue waits for tool calls that are out. */
const LAST_CALLS_MS = { atStop: 1500, else: 20_000 };

/**
 * The story of one attempt: definition → graph → state → outcome. Aborting the signal with an
 * AgentError as its reason ends it with that error.
 */
export async function executeRun(
  run: ClaimedRun,
  body: unknown,
  tools: RunTools,
  abort: AbortController,
): Promise<Outcome | Interrupted | Postponed> {
  let meter = new Meter(tools.maxLimits, () => undefined);
  let saver: RunSaver | undefined;
  let journal: Journal | undefined;
  let agent: CompiledAgent | undefined;
  try {
    agent = await inSpan("compile", {}, () => compile(run, body, tools));
    nameAgent(activeSpan(), agent);
    const limits = effectiveLimits(agent.limits, run.request.limits, tools.maxLimits);
    meter = new Meter(limits, (reason) => abort.abort(reason));
    saver = await openSaver(run, tools.db, meter);
    journal = new Journal(saver.statements);
    const { db, prices, streams } = tools;
    const state = await drive(run, agent, { db, saver, journal, prices, streams }, meter, limits, abort);
    const usage = meter.usage();
    if (asks(state)) {
      await saver.statements.flush();
      return { kind: "interrupted", questions: await pendingOf(run, tools.db, saver), usage };
    }
    const result = agent.toResult(state);
    return {
      kind: "completed",
      data: { result, usage, definition_hash: agent.hash },
      usage,
      headCheckpointId: saver.rootCheckpointId,
      checkpoints: await saver.statements.takeOut(),
    };
  } catch (thrown) {
    const reason = abort.signal.aborted ? abort.signal.reason : thrown;
    if (reason instanceof Cancelled) return cancelledOutcome(reason.message, meter.usage());
    const error = describeFailure(reason);
    if (error.code === "lease_lost") throw error;
    if (error.retryable) {
      // A call that changes something and was sent is not cut: its outcome is worth a moment.
      await journal?.quiet(error.code === "shutting_down" ? LAST_CALLS_MS.atStop : LAST_CALLS_MS.else);
      return { kind: "postponed", error, gotOn: (saver?.writes ?? 0) > 0, usage: meter.usage() };
    }
    const usage = meter.usage();
    const partial = error.code === "limit_exceeded" ? await partialResult(agent, saver) : undefined;
    return { kind: "failed", data: { error: error.toWire(), ...partial, usage }, usage };
  } finally {
    saver?.statements.letGo();
  }
}

async function compile(run: ClaimedRun, body: unknown, { db, agents }: RunTools): Promise<CompiledAgent> {
  if (run.definitionHash === null) {
    const name = String(run.request.agent).slice(0, 100);
    throw new AgentError("unknown_agent", `"${name}" names no agent of this service`, { path: "/agent" });
  }
  const hash = run.definitionHash;
  return await agents.compile(hash, async () => (body === undefined ? await definitionBody(db, hash) : body));
}

/** Imported here: it brings LangGraph along, which the service must not wait for when it starts. */
async function openSaver(
  { runId, attempt, jobId, request }: ClaimedRun,
  db: Database,
  meter: Meter,
): Promise<RunSaver> {
  const { RunSaver } = await import("../checkpoints/run-saver.ts");
  return new RunSaver(
    db,
    { runId, attempt, jobId, goesOnFrom: goesOnFrom(request) },
    () => meter.step(),
    () => meter.usage(),
  );
}

type DriveTools = Pick<RunTools, "db" | "prices" | "streams"> & { saver: RunSaver; journal: Journal };

async function drive(
  run: ClaimedRun,
  agent: CompiledAgent,
  { db, saver, journal, prices, streams }: DriveTools,
  meter: Meter,
  limits: Limits,
  abort: AbortController,
): Promise<unknown> {
  const begun = await findBeginning(run, saver);
  if (begun && isOf(run, begun)) meter.carryOver(usageNoted(begun));
  // `null` goes on from the checkpoint. It is never passed on a checkpoint of another run: that
  // would hand out the other run's answer as ours.
  const input = begun ? await whatCameMeanwhile(run, db, saver) : agent.toInput(inputOf(run.request));
  const timer = setTimeout(
    () => abort.abort(limitExceeded("seconds", limits.seconds)),
    meter.secondsLeft * 1000,
  );
  const span = activeSpan();
  const watch = new RunWatch(meter, span ? contextOf(span) : ROOT_CONTEXT, prices);
  try {
    return await agent.graph.invoke(input, {
      configurable: {
        thread_id: run.jobId,
        __pregel_checkpointer: saver,
        run_journal: journal,
        run_facts: factsOf(run),
      },
      durability: "sync",
      signal: abort.signal,
      callbacks: [watch.callbacks, new RunStream(streams, run).callbacks],
      // Nested graphs start their own count of this; the meter counts them all.
      recursionLimit: limits.steps + 1,
    });
  } finally {
    clearTimeout(timer);
    watch.stop();
  }
}

/** What tools may know of the run and of the event that asked for it. */
function factsOf({ jobId, runId, request }: ClaimedRun): RunFacts {
  return { job_id: jobId, run_id: runId, context: request.context, input: inputOf(request) };
}

/**
 * Points the saver at where this run goes on: its own newest checkpoint, or else where the last
 * completed turn of the job ended, so that failed turns leave nothing behind. Gives the former, if the run had begun.
 */
async function findBeginning(run: ClaimedRun, saver: RunSaver): Promise<CheckpointTuple | undefined> {
  if (run.attempt > 1 || goesOnFrom(run.request) !== undefined) {
    const own = await saver.newestOfThisRun();
    if (own !== undefined) return await saver.beginFrom(own);
  }
  if (run.headCheckpointId !== null) await saver.beginFrom(run.headCheckpointId);
  else if (run.seq > 1) await saver.forgetThread();
  return undefined;
}

function goesOnFrom({ retry_of: retried }: StoredRequest): string | undefined {
  return retried?.from === "checkpoint" ? retried.run_id : undefined;
}

/** A retry goes on from the checkpoint of another run, and has limits of its own. */
function isOf({ runId }: ClaimedRun, { metadata }: CheckpointTuple): boolean {
  return (metadata as { run_id?: string } | undefined)?.run_id === runId;
}

/** Nothing, or the decisions of the wait behind which the run goes on. */
async function whatCameMeanwhile(run: ClaimedRun, db: Database, saver: RunSaver): Promise<unknown> {
  if (run.waitNo === 0) return null;
  const answers = await unconsumedAnswers(db, run, await pendingOf(run, db, saver));
  if (answers === undefined) return null;
  const { Command } = await import("@langchain/langgraph");
  return new Command({ resume: answers });
}

async function pendingOf(run: ClaimedRun, db: Database, saver: RunSaver): Promise<PendingQuestion[]> {
  const { pendingQuestions } = await import("../checkpoints/questions.ts");
  return await pendingQuestions(db, saver.serde, run);
}

/** LangGraph's mark of a graph that stopped to ask. */
function asks(state: unknown): boolean {
  return typeof state === "object" && state !== null && "__interrupt__" in state;
}

/** As our saver noted it with the checkpoint: when it was made, and when it was written with what came of it. */
function usageNoted({ metadata }: CheckpointTuple): Usage {
  const { usage, spent } = (metadata ?? {}) as { usage?: Usage; spent?: Usage };
  return spent ?? usage ?? NO_USAGE;
}

function inputOf(request: StoredRequest): unknown {
  const { input, input_payload: payload } = request;
  if (input !== undefined && payload !== undefined && JSON.stringify(input) !== JSON.stringify(payload)) {
    const message = "input and input_payload are two names for one thing, but they differ: send one";
    throw new AgentError("invalid_input", message, { path: "/input" });
  }
  return input ?? payload;
}

/** What there is of an answer when a limit cut the run; that there is none is no second failure. */
async function partialResult(
  agent: CompiledAgent | undefined,
  saver: RunSaver | undefined,
): Promise<{ partial: unknown } | undefined> {
  if (agent === undefined || saver === undefined || saver.writes === 0) return undefined;
  const tuple = await saver.getTuple({ configurable: {} }).catch(() => undefined);
  if (tuple === undefined) return undefined;
  return { partial: agent.toResult(tuple.checkpoint.channel_values) };
}
