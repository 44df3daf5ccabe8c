import { AgentError } from "../errors/agent-error.ts";
import { below } from "./json.ts";
import type { RunFacts } from "./run-facts.ts";
import type { Args } from "./templates.ts";
import type { ToolOf } from "./tool-definition.ts";
import {
  failed,
  mayHaveHappened,
  succeeded,
  type ToolWork,
  type Tried,
  withRetries,
} from "./tool-outcome.ts";
import type { Toolbox } from "./toolbox.ts";

const LATE = Symbol("late");

/** The call of an operator's function. It is trusted and cannot be stopped, only waited for no longer. */
export async function prepareModule(
  tool: ToolOf<"module">,
  args: Args,
  facts: RunFacts,
  toolbox: Toolbox,
): Promise<ToolWork> {
  const { name } = tool.runtime;
  const call = await toolbox.module(name, below(below(tool.path, "runtime"), "name"));
  const { job_id, run_id, context } = facts;
  return async ({ idempotencyKey, signal }) =>
    await withRetries(tool, signal, async (): Promise<Tried> => {
      signal?.throwIfAborted();
      const limit = AbortSignal.timeout(tool.timeoutSeconds * 1000);
      const given = {
        ...{ job_id, run_id, context, idempotency_key: idempotencyKey },
        signal: AbortSignal.any([limit, ...(signal ? [signal] : [])]),
      };
      // What writes is given its time: to leave it would only lose what came of it.
      const ends = tool.effect === "read" ? given.signal : limit;
      try {
        const value = await Promise.race([Promise.resolve(call({ ...args }, given)), abortOf(ends)]);
        if (value !== LATE) return { outcome: succeeded(value), passing: false };
        if (tool.effect === "read") signal?.throwIfAborted();
        const text = `no answer within ${tool.timeoutSeconds} s${mayHaveHappened(tool)}`;
        return { outcome: failed(text), passing: true };
      } catch (error) {
        if (signal?.aborted && tool.effect === "read") throw signal.reason;
        if (error instanceof AgentError) throw error;
        const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
        return { outcome: failed(text), passing: true };
      }
    });
}

function abortOf(signal: AbortSignal): Promise<typeof LATE> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(LATE);
    else signal.addEventListener("abort", () => resolve(LATE), { once: true });
  });
}
