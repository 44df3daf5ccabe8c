import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent } from "../support/agents.ts";
import { callingAgent, only, resumeEvent } from "../support/approvals.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { type JobState, jobWhen } from "../support/jobs.ts";
import { postEvent } from "../support/post.ts";
import { type SpawnedService, spawnService } from "../support/process.ts";
import { until } from "../support/wait.ts";

const PAY = [[{ name: "pay", args: { amount: 7 } }]];

/** The built service, killed for real around a person's decision. */
describe("a job that waits for a person", { timeout: 60_000 }, () => {
  let database: TestDatabase;
  let tools: ToolServer;
  beforeEach(async () => {
    database = await freshDatabase({ mayLeak: true });
    tools = await startToolServer();
  });
  afterEach(async () => {
    await tools.close();
    await database[Symbol.asyncDispose]();
  });

  const start = async () => {
    const env = { EGRESS_ALLOW: "127.0.0.0/8", RUN_LEASE_SECONDS: "3" };
    const service = await spawnService({ DATABASE_URL: database.url, ...env });
    await service.waitForHealth();
    return service;
  };
  const send = async (service: SpawnedService, tool: Record<string, unknown>) => {
    const jobId = randomUUID();
    const agent_definition = callingAgent(tools.url, PAY, tool);
    await postEvent(service.url, executeEvent({ job_id: jobId, agent_definition }));
    return jobId;
  };
  const decide = (service: SpawnedService, jobId: string, decisions: Record<string, unknown>[]) => {
    const headers = { prefer: "respond-async" };
    return postEvent(service.url, resumeEvent(jobId, { decisions }), { headers });
  };
  const waits = (job: JobState) => job.status === "waiting";
  const completed = (job: JobState) => job.status === "completed";
  const questionOf = async (service: SpawnedService, jobId: string, isSo = waits) =>
    only((await jobWhen(service.url, jobId, isSo)).interrupts);

  it("survives kill -9 of every process; approved on another one, its tool runs once", async () => {
    const first = await start();
    const second = await start();
    const jobId = await send(first, { approval: true });
    const { interrupt_id } = await questionOf(second, jobId);

    await Promise.all([first.kill("SIGKILL"), second.kill("SIGKILL")]);
    const third = await start();
    await decide(third, jobId, [{ interrupt_id, decision: "approve" }]);

    const job = await jobWhen(third.url, jobId, completed);
    expect(job.result?.output).toBe("done");
    expect(tools.calls).toHaveLength(1);
    expect(job.usage.tool_calls).toBe(1);
  });

  it("hands a decision over again when its worker dies with the call in hand, and asks nothing twice", async () => {
    const first = await start();
    const jobId = await send(first, { approval: true, on_unknown: "retry" });
    const { interrupt_id } = await questionOf(first, jobId);
    tools.answerAfter(60_000);
    await decide(first, jobId, [{ interrupt_id, decision: "approve" }]);
    await until(() => tools.calls.length === 1, { what: "the call" });

    await first.kill("SIGKILL");
    tools.answerAfter(0);
    const second = await start();

    const job = await jobWhen(second.url, jobId, completed);
    expect(job.result?.output).toBe("done");
    expect(tools.calls).toHaveLength(2);
    expect(new Set(tools.calls.map(({ key }) => key)).size).toBe(1);
  });

  it("is asked what became of a call that was cut, and the approval before does not answer that", async () => {
    const first = await start();
    const jobId = await send(first, { approval: true, on_unknown: "ask" });
    const approval = await questionOf(first, jobId);
    tools.answerAfter(60_000);
    await decide(first, jobId, [{ interrupt_id: approval.interrupt_id, decision: "approve" }]);
    await until(() => tools.calls.length === 1, { what: "the call" });

    await first.kill("SIGKILL");
    const second = await start();
    const asked = (job: JobState) =>
      waits(job) && job.interrupts.some(({ kind, decision }) => kind === "unknown_outcome" && !decision);
    const question = await questionOf(second, jobId, asked);
    expect(question).toMatchObject({ tool: "pay", allowed: ["approve", "respond", "reject"] });
    // Killed once more, with the answer handed over or not: it stays the answer to this question alone.
    await decide(second, jobId, [
      { interrupt_id: question.interrupt_id, decision: "respond", value: "it was paid" },
    ]);
    await second.kill("SIGKILL");
    const third = await start();

    const job = await jobWhen(third.url, jobId, completed);
    expect(job.result?.output).toBe("done");
    expect(tools.calls).toHaveLength(1);
  });
});
