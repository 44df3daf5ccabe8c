import { describe, expect, it } from "vitest";
import { pause } from "../../src/lifetime/pause.ts";
import type { Database } from "../../src/postgres/database.ts";
import { executeRun } from "../../src/runs/execute.ts";
import { DEFAULT_LIMITS } from "../../src/runs/limits.ts";
import type { ClaimedRun, Usage } from "../../src/runs/run.ts";
import { LocalLog } from "../../src/streaming/local-log.ts";
import { agentsWith } from "../agents/support.ts";
import { ports } from "../support/ports.ts";
import { aRun } from "../support/runs.ts";

const CALL = { tool_calls: [{ name: "calculate", args: { expression: "6 * 7" } }] };
const BODY = {
  tool_definitions: [{ name: "calculate", runtime: { type: "builtin", name: "calculator" } }],
  nodes: [
    {
      type: "agent",
      name: "main",
      tools: ["calculate"],
      model: { provider: "scripted", responses: [CALL, CALL, "42"] },
    },
  ],
};
/** Of the model three, and of the tool two. */
const RESULTS = 5;

describe.each(ports)("what a run uses, on $name", ({ open }) => {
  /** A process whose database takes so many results of steps and then never answers again. */
  const dyingAfter = (db: Database, results: number): Database => {
    let isDead = false;
    const query: Database["query"] = (name, text, values) => {
      isDead ||= name.startsWith("saver-writes") && results-- <= 0;
      return isDead ? new Promise(() => undefined) : db.query(name, text, values);
    };
    return { ...db, query };
  };
  const attempt = async (
    run: ClaimedRun,
    db: Database,
    abort = new AbortController(),
  ): Promise<Omit<Usage, "seconds">> => {
    const streams = new LocalLog({ maxLength: 1000, ttlSeconds: 60 });
    const tools = { db, agents: agentsWith(), maxLimits: DEFAULT_LIMITS, streams };
    const ended = await executeRun(run, BODY, tools, abort);
    expect(ended.kind).toBe("completed");
    const { seconds: _, ...usage } = ended.usage;
    return usage;
  };
  const claimed = async (db: Database): Promise<ClaimedRun> => ({
    ...(await aRun(db)),
    ...{ seq: 1, attempt: 1, waitNo: 0, failures: 0, eventId: "e", definitionHash: "calculates" },
    ...{ request: { input: "go" }, headCheckpointId: null, traceparent: null },
  });

  it("is counted once, whichever result of a step was the last before the process died", async () => {
    const { db, close } = await open();
    const calm = await attempt(await claimed(db), db);
    expect(calm).toMatchObject({ model_calls: 3, tool_calls: 2, steps: RESULTS + 1 });

    for (let results = 0; results < RESULTS; results++) {
      const run = await claimed(db);
      const end = new AbortController();
      const dying = attempt(run, dyingAfter(db, results), end).catch(() => "ended");
      expect(await Promise.race([dying, pause(150)])).toBeUndefined();
      end.abort(new Error("dead")); // for the sake of its timers
      await dying;
      await db.query("next", "update runs set attempt = 2 where run_id = $1", [run.runId]);

      expect([results, await attempt({ ...run, attempt: 2 }, db)]).toEqual([results, calm]);
    }
    await close();
  });
});
