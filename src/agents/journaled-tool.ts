import { Journal, type JournalKey } from "../checkpoints/journal.ts";
import { AgentError } from "../errors/agent-error.ts";
import { callDigest } from "./definition-hash.ts";
import type { ToolDefinition } from "./tool-definition.ts";
import type { ToolOutcome, ToolWork } from "./tool-outcome.ts";

/** What LangGraph hands to a tool; only the part that we read. */
export type CallConfig = {
  configurable?: Record<string, unknown>;
  signal?: AbortSignal;
  toolCall?: { id?: string | undefined };
  callbacks?: object & { getParentRunId?(): string | undefined };
};

/** Under this name whoever runs a graph hands over the run's Journal, in `configurable`. */
const JOURNAL = "run_journal";

/**
 * Runs a call, or gives the outcome that an earlier attempt of the run had. Without a journal, as in
 * a graph that is run by itself, it just runs.
 */
export async function runJournaled(
  tool: ToolDefinition,
  args: unknown,
  config: CallConfig,
  work: ToolWork,
): Promise<ToolOutcome> {
  const { signal } = config;
  const journal = config.configurable?.[JOURNAL];
  if (!(journal instanceof Journal)) return await work({ idempotencyKey: undefined, signal });
  const key = { ...callKey(config, callDigest(tool.name, args)), tool: tool.name };
  return await journal.during(throughJournal(tool, args, journal, key, signal, work));
}

async function throughJournal(
  tool: ToolDefinition,
  args: unknown,
  journal: Journal,
  key: JournalKey,
  signal: AbortSignal | undefined,
  work: ToolWork,
): Promise<ToolOutcome> {
  signal?.throwIfAborted();
  const idempotencyKey = journal.idempotencyKey(key);
  const found = tool.effect === "write" ? await journal.begin(key) : await journal.find(key);
  if (found.state === "done") return readOutcome(found.outcome);
  if (found.state === "unknown" && tool.onUnknown === "ask") {
    const { judgement } = await import("./approval.ts"); // it brings LangGraph along
    const said = judgement(tool, args, idempotencyKey);
    if (said.kind === "told") {
      const { content, status } = said;
      await journal.finish(key, JSON.stringify({ content, status }));
      return { content, status };
    }
  }
  if (found.state === "unknown" && tool.onUnknown === "fail") {
    throw new AgentError(
      "tool_outcome_unknown",
      `a call of "${tool.name}" was cut off and may have taken effect (call ${key.task}, idempotency key ${idempotencyKey})`,
    );
  }
  const outcome = await work({ idempotencyKey, signal }).catch(async (error: unknown) => {
    // Nothing came of it: better said than left open. If it cannot be said it stays unknown, which is safe.
    const isOurs = tool.effect === "write" && found.state === "fresh";
    if (isOurs && signal?.aborted) await journal.withdraw(key).catch(() => undefined);
    throw error;
  });
  await journal.finish(key, JSON.stringify(outcome));
  return outcome;
}

/**
 * What names a call in every attempt of its run. The namespace ends in the task's id, which LangGraph
 * makes from the checkpoint that the task starts from, so a task that is run again has the same one,
 * in a sub-agent too; the model's call id is part of a committed message. (Seen on LangGraph 1.4.18.)
 */
export function callKey(config: CallConfig, digest: string): JournalKey {
  const { checkpoint_ns: namespace, __pregel_scratchpad: execution } = config.configurable ?? {};
  const task = `${String(namespace ?? "")}:${shortId(config.toolCall?.id)}`;
  return { task, slot: nextSlot(execution, `${task} ${digest}`), digest };
}

/** Providers choose these ids: nothing of theirs may be too long or too strange for an index. */
function shortId(id = ""): string {
  return /^[\w.:-]{0,80}$/.test(id) ? id : callDigest("", id);
}

/** By execution of a task: an execution that is repeated counts from 0 again. */
const counts = new WeakMap<object, Map<string, number>>();

/** Tells apart calls of one task that are the same in everything, where a model gives no ids. */
function nextSlot(execution: unknown, call: string): number {
  if (typeof execution !== "object" || execution === null) return 0;
  const used = counts.get(execution) ?? new Map<string, number>();
  counts.set(execution, used);
  const slot = used.get(call) ?? 0;
  used.set(call, slot + 1);
  return slot;
}

function readOutcome(stored: string): ToolOutcome {
  return JSON.parse(stored) as ToolOutcome; // written by us, in throughJournal
}
