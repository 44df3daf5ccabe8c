import type { BaseMessage } from "@langchain/core/messages";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CompiledAgent } from "../../src/agents/compile.ts";
import { readEgressAllow } from "../../src/agents/egress-allow.ts";
import { Journal } from "../../src/checkpoints/journal.ts";
import { RunSaver } from "../../src/checkpoints/run-saver.ts";
import type { Database } from "../../src/postgres/database.ts";
import { describeFailure } from "../../src/runs/failure.ts";
import { ports } from "../support/ports.ts";
import { aRun } from "../support/runs.ts";
import { sharedDatabase } from "../support/shared.ts";
import { agentsWith, scripted } from "./support.ts";
import { type Told, toldIn } from "./told.ts";
import { answer, startToolServer, type ToolServer } from "./tool-server.ts";

let server: ToolServer;
beforeEach(async () => {
  server = await startToolServer();
});
afterEach(() => server[Symbol.asyncDispose]());

type Changes = { runtime?: object; [key: string]: unknown };

/** An agent whose model calls the tool `act` and then says "done". */
async function anAgent(type: string, changes: Changes = {}, ...steps: unknown[]): Promise<CompiledAgent> {
  const { runtime = {}, ...more } = changes;
  const input_schema = { type: "object", properties: { n: {} } };
  const http = { type: "http", method: "POST", url: `${server.url}/{n}`, ...runtime };
  const tool = { name: "act", input_schema, runtime: http, ...more };
  const model = scripted(...(steps.length > 0 ? steps : [calls(1)]), "done");
  const node = { type, name: "main", tools: ["act"], model };
  const agents = agentsWith({}, { egress: { allow: readEgressAllow(["127.0.0.1"]) } });
  return await agents.compile({ tool_definitions: [tool], nodes: [node] });
}

const calls = (...ns: unknown[]) => ({ tool_calls: ns.map((n) => ({ name: "act", args: { n } })) });

/** One attempt of a run, as runs/execute makes it. */
async function attempt(
  agent: CompiledAgent,
  db: Database,
  { runId, jobId }: { runId: string; jobId: string },
  no: number,
  config: object = {},
): Promise<Told> {
  if (no > 1) await db.query("take-over", "update runs set attempt = $2 where run_id = $1", [runId, no]);
  const saver = new RunSaver(db, { runId, attempt: no, jobId });
  const own = no > 1 ? await saver.newestOfThisRun() : undefined;
  await saver.beginFrom(own);
  const journal = new Journal(saver.statements);
  const input = own === undefined ? agent.toInput("go") : null;
  const state = await agent.graph.invoke(input, {
    configurable: { thread_id: jobId, __pregel_checkpointer: saver, run_journal: journal },
    durability: "sync",
    ...config,
  });
  const messages = state["messages"] as BaseMessage[];
  expect(messages.at(-1)?.text).toBe("done");
  return toldIn({ messages });
}

/**
 * The database of a process that dies at this statement: from there on nothing is answered, and nobody
 * goes on. `after` has the names of the statements that were answered before it.
 */
function dyingAt(
  db: Database,
  name: string,
  after: (before: string[]) => boolean = () => true,
): { db: Database; died: Promise<void> } {
  const before: string[] = [];
  let [isDead, die] = [false, () => {}];
  const died = new Promise<void>((done) => {
    die = done;
  });
  const query: Database["query"] = async (asked, text, values) => {
    const plain = asked.replace("-carrying", "");
    isDead ||= plain === name && after(before);
    if (isDead) {
      die();
      return await new Promise<never>(() => {});
    }
    const rows = await db.query(asked, text, values);
    before.push(plain);
    return rows as never;
  };
  return { db: { ...db, query }, died };
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "none",
    (error) => describeFailure(error).code,
  );
const keys = () => server.seen.map(({ headers }) => headers["idempotency-key"]);

describe.each(ports)("on $name", ({ open }) => {
  const db = sharedDatabase(open);

  describe.each(["agent", "orchestrator"])("a tool of an %s", (type) => {
    it("gets an idempotency key that is of this run and of this call", async () => {
      const agent = await anAgent(type, {}, calls(1, 1, 2), calls(1));
      const [one, other] = [await aRun(db), await aRun(db)];

      await attempt(agent, db, one, 1);
      await attempt(agent, db, other, 1);

      // The same call again is another call: in the same step, in the next, and in another run.
      expect(server.seen).toHaveLength(8);
      expect(new Set(keys()).size).toBe(8);
      expect(keys().filter((key) => String(key).startsWith(`${one.runId}:`))).toHaveLength(4);
    });

    it("that is known to have been called is not called again, although its step is", async () => {
      server.reply((request, response) =>
        answer(request.url === "/2" ? 500 : 200, request.url)(request, response),
      );
      const agent = await anAgent(type, {}, calls(1, 2, 1));
      const run = await aRun(db);
      const ended = (before: string[]) => before.filter((name) => name === "journal-finish").length === 3;
      const dying = dyingAt(db, "saver-writes", ended);
      void attempt(agent, dying.db, run, 1);
      await dying.died;

      const results = await attempt(await anAgent(type, {}, calls(1, 2, 1)), db, run, 2);

      expect(results).toEqual([
        ["/1", "success"],
        ["HTTP 500 Internal Server Error\n/2", "error"],
        ["/1", "success"],
      ]);
      expect(server.seen).toHaveLength(3);
    });

    it.each([
      ["before it was called", "journal-finish", 1],
      ["after", "saver-writes", 1],
    ])(
      "that reads is read again, or not, when the process died %s it was written down",
      async (_, at, before) => {
        const runtime = { method: "GET" };
        const run = await aRun(db);
        const dying = dyingAt(db, at, () => server.seen.length === before);
        void attempt(await anAgent(type, { runtime }), dying.db, run, 1);
        await dying.died;

        const results = await attempt(await anAgent(type, { runtime }), db, run, 2);

        expect(results).toEqual([['{"ok":true}', "success"]]);
        expect(server.seen).toHaveLength(at === "saver-writes" ? 1 : 2);
        expect(new Set(keys()).size).toBe(1);
      },
    );

    it("that writes and may have taken effect ends the run, and is not called again", async () => {
      const run = await aRun(db);
      const dying = dyingAt(db, "journal-finish");
      void attempt(await anAgent(type), dying.db, run, 1);
      await dying.died;

      const second = attempt(await anAgent(type), db, run, 2).catch(describeFailure);

      const error = await second;
      expect(error).toMatchObject({ code: "tool_outcome_unknown", retryable: false });
      const { message } = error as Error;
      expect(message).toContain('"act"');
      expect(message).toContain(keys()[0]);
      expect(server.seen).toHaveLength(1);
      expect(await codeOf(attempt(await anAgent(type), db, run, 3))).toBe("tool_outcome_unknown");
      expect(server.seen).toHaveLength(1);
    });

    it("is called again under the same key when it says that it may be", async () => {
      const retrying = { on_unknown: "retry" };
      const run = await aRun(db);
      for (const no of [1, 2]) {
        const dying = dyingAt(db, "journal-finish");
        void attempt(await anAgent(type, retrying), dying.db, run, no);
        await dying.died;
      }

      const results = await attempt(await anAgent(type, retrying), db, run, 3);

      expect(results).toEqual([['{"ok":true}', "success"]]);
      expect(server.seen).toHaveLength(3);
      expect(new Set(keys()).size).toBe(1);
    });

    it("is not called by an attempt that was taken over a moment before", async () => {
      const run = await aRun(db);
      const late: Database = {
        ...db,
        query: async (name, text, values) => {
          if (name.startsWith("journal-begin")) {
            await db.query("next", "update runs set attempt = 2 where run_id = $1", [run.runId]);
          }
          return await db.query(name, text, values);
        },
      };

      expect(await codeOf(attempt(await anAgent(type), late, run, 1))).toBe("lease_lost");
      expect(server.seen).toEqual([]);
    });

    it("that was sent ends although the run is aborted, and the next attempt knows its outcome", async () => {
      let go = () => {};
      server.reply((request, response) => {
        go = () => answer(200, "made")(request, response);
      });
      const run = await aRun(db);
      const abort = new AbortController();
      const saver = new RunSaver(db, { ...run, attempt: 1 });
      const journal = new Journal(saver.statements);
      const agent = await anAgent(type);
      const first = agent.graph.invoke(agent.toInput("go"), {
        configurable: { thread_id: run.jobId, __pregel_checkpointer: saver, run_journal: journal },
        durability: "sync",
        signal: abort.signal,
      });
      await expect.poll(() => server.seen.length).toBe(1);
      abort.abort(new Error("the process stops"));
      await expect(first).rejects.toThrow();
      go();
      await journal.quiet(5000);

      expect(await attempt(agent, db, run, 2)).toEqual([["made", "success"]]);
      expect(server.seen).toHaveLength(1);
    });
  });

  it("a call that an abort kept from being sent counts as not made", async () => {
    const run = await aRun(db);
    const abort = new AbortController();
    const agent = agentsWith({}, { egress: { allow: readEgressAllow(["127.0.0.1"]), resolve: () => never } });
    const never = new Promise<never>(() => {});
    const compiled = await agent.compile({
      tool_definitions: [
        { name: "act", runtime: { type: "http", method: "POST", url: `http://tools.test:${server.port}/` } },
      ],
      nodes: [{ type: "agent", name: "main", tools: ["act"], model: scripted(calls(1), "done") }],
    });
    const first = attempt(compiled, db, run, 1, { signal: abort.signal });
    const intents = "select state from journal where run_id = $1";
    const rows = () => db.query<{ state: string }>("intents", intents, [run.runId]);
    await expect.poll(async () => await rows()).toEqual([{ state: "intent" }]);
    abort.abort(new Error("stop"));
    await expect(first).rejects.toThrow();
    await expect.poll(async () => await rows()).toEqual([]);
  });

  describe("a tool in a sub-agent", () => {
    /** Each model of the tree follows the same script: it delegates, which only the main one can, and acts. */
    const delegate = {
      tool_calls: [{ name: "task", args: { description: "Act.", subagent_type: "general-purpose" } }],
    };
    const main = () => anAgent("orchestrator", {}, delegate, calls(7));

    it("is not called again either", async () => {
      const run = await aRun(db);
      const dying = dyingAt(db, "saver-writes", () => server.seen.length > 0);
      void attempt(await main(), dying.db, run, 1);
      await dying.died;
      expect(server.seen).toHaveLength(1);

      await attempt(await main(), db, run, 2);

      expect(server.seen).toHaveLength(2);
      expect(new Set(keys()).size).toBe(2);
    });

    it("ends the run when nobody knows whether it was called", async () => {
      const run = await aRun(db);
      const dying = dyingAt(db, "journal-finish");
      void attempt(await main(), dying.db, run, 1);
      await dying.died;

      expect(await codeOf(attempt(await main(), db, run, 2))).toBe("tool_outcome_unknown");
      expect(server.seen).toHaveLength(1);
    });
  });
});
