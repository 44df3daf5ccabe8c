import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Service } from "../../src/service.ts";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent } from "../support/agents.ts";
import { callingAgent, type Interrupt, only, resumeEvent } from "../support/approvals.ts";
import { jobAt } from "../support/jobs.ts";
import { postEvent, postJson } from "../support/post.ts";
import { startOn, startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

const PAY = [[{ name: "pay", args: { amount: 7 } }]];

describe("a tool that a person must allow", () => {
  let service: TestService;
  let other: Service;
  let tools: ToolServer;
  beforeAll(async () => {
    const env = { EGRESS_ALLOW: "127.0.0.0/8" };
    service = await startTestService(env);
    other = await startOn(service.database, env);
    tools = await startToolServer();
  });
  beforeEach(() => {
    tools.calls.length = 0;
  });
  afterAll(async () => {
    await tools.close();
    await other.close();
    await service.close();
  });

  /** A job that waits, with what it asks. */
  const asked = async (agent = callingAgent(tools.url, PAY)) => {
    const event = executeEvent({ agent_definition: agent });
    const reply = await postEvent(service.url, event);
    expect(reply.headers["ce-type"]).toBe("dev.my-platform.agent.interrupted");
    const { interrupts } = reply.json() as { interrupts: Interrupt[] };
    return { event, jobId: String(event.data["job_id"]), interrupts, reply };
  };
  const decide = (jobId: string, { interrupt_id }: Interrupt, decision: Record<string, unknown>) =>
    postEvent(service.url, resumeEvent(jobId, { decisions: [{ interrupt_id, ...decision }] }));

  it("is not called before the decision, and the run holds no worker", async () => {
    const { event, jobId, interrupts } = await asked();

    expect(only(interrupts)).toMatchObject({
      kind: "tool",
      tool: "pay",
      args: { amount: 7 },
      allowed: ["approve", "edit", "reject"],
    });
    expect(tools.calls).toEqual([]);
    const [run] = await service.database.sql(
      "select status, leased_by from agent_executor.runs where job_id = $1",
      [jobId],
    );
    expect(run).toEqual({ status: "waiting", leased_by: null });
    const again = await postEvent(other.url, event);
    expect(again.headers["ce-type"]).toBe("dev.my-platform.agent.interrupted");
    expect((again.json() as { interrupts: unknown }).interrupts).toEqual(interrupts);
  });

  it("is called once when it is approved, and the answer to the decision is the outcome", async () => {
    const { event, jobId, interrupts } = await asked();

    const reply = await decide(jobId, only(interrupts), { decision: "approve", approver: "ann" });

    expect(reply.headers["ce-type"]).toBe("dev.my-platform.agent.completed");
    expect(reply.headers["ce-causationid"]).toBe(event.id);
    expect(reply.json()).toMatchObject({ result: { output: "done" }, usage: { tool_calls: 1 } });
    expect(tools.calls.map(({ body }) => JSON.parse(body))).toEqual([{ amount: 7 }]);
  });

  it("counts once, although it begins again behind the decision, also beside a call that asks nobody", async () => {
    const calls = [[...PAY.flat(), { name: "pay", args: { amount: 1 } }]];
    const agent = callingAgent(tools.url, calls, { approval: { when: "args.amount > 5" } });
    const { jobId, interrupts } = await asked({ ...agent, limits: { tool_calls: 2 } });

    const reply = await decide(jobId, only(interrupts), { decision: "approve" });

    expect(reply.json()).toMatchObject({ result: { output: "done" }, usage: { tool_calls: 2 } });
    expect(tools.calls.map(({ body }) => JSON.parse(body).amount)).toEqual([1, 7]);
  });

  it("is called with other arguments when they are edited and fit its schema", async () => {
    const { jobId, interrupts } = await asked();

    const wrong = await decide(jobId, only(interrupts), { decision: "edit", args: { amount: "all" } });
    expect(wrong.status).toBe(422);
    expect(wrong.json()).toMatchObject({ error: { code: "decision_not_allowed" } });
    const right = await decide(jobId, only(interrupts), { decision: "edit", args: { amount: 3 } });

    expect(right.headers["ce-type"]).toBe("dev.my-platform.agent.completed");
    expect(tools.calls.map(({ body }) => JSON.parse(body))).toEqual([{ amount: 3 }]);
  });

  it("is not called when it is rejected, and the model reads why", async () => {
    const { jobId, interrupts } = await asked();

    const reply = await decide(jobId, only(interrupts), { decision: "reject", comment: "too much" });

    expect(reply.headers["ce-type"]).toBe("dev.my-platform.agent.completed");
    expect(tools.calls).toEqual([]);
    const [told] = await service.database.sql(
      `select convert_from(blob, 'UTF8') as blob from agent_executor.checkpoint_blobs
        where thread_id = $1 and channel = 'messages' order by version desc limit 1`,
      [jobId],
    );
    expect(String(told?.["blob"])).toContain("The reviewer says: too much");
  });

  it("is answered by the person where that is allowed", async () => {
    const approval = { allowed: ["approve", "respond"] };
    const { jobId, interrupts } = await asked(callingAgent(tools.url, PAY, { approval }));

    const rejected = await decide(jobId, only(interrupts), { decision: "reject" });
    expect(rejected.json()).toMatchObject({ error: { code: "decision_not_allowed" } });
    const reply = await decide(jobId, only(interrupts), { decision: "respond", value: { paid: true } });

    expect(reply.headers["ce-type"]).toBe("dev.my-platform.agent.completed");
    expect(tools.calls).toEqual([]);
  });

  it("is called without asking where the condition is not met", async () => {
    const approval = { when: "args.amount > 100.0" };
    const small = executeEvent({ agent_definition: callingAgent(tools.url, PAY, { approval }) });
    expect((await postEvent(service.url, small)).headers["ce-type"]).toBe("dev.my-platform.agent.completed");

    await asked(callingAgent(tools.url, [[{ name: "pay", args: { amount: 101 } }]], { approval }));
    await asked(callingAgent(tools.url, PAY, { approval: { when: "args.to == 'ann'" } })); // it has no `to`
  });

  it("asks for each of two calls at once, and each decision reaches its own, in whatever order", async () => {
    const two = [
      [
        { name: "pay", args: { amount: 1 } },
        { name: "pay", args: { amount: 2 } },
      ],
    ];
    const { jobId, interrupts } = await asked(callingAgent(tools.url, two));
    expect(interrupts).toHaveLength(2);
    const forAmount = (amount: number) => only(interrupts.filter(({ args }) => args?.["amount"] === amount));

    const first = await decide(jobId, forAmount(2), { decision: "edit", args: { amount: 20 } });
    expect(first.status).toBe(200);
    expect(first.text).toBe("");
    const half = await jobAt(service.url, jobId);
    expect(half.status).toBe("waiting");
    expect(half.interrupts.map(({ decision }) => decision ?? "open").sort()).toEqual(["edit", "open"]);
    const second = await decide(jobId, forAmount(1), { decision: "approve" });

    expect(second.headers["ce-type"]).toBe("dev.my-platform.agent.completed");
    expect(tools.calls.map(({ body }) => JSON.parse(body).amount).sort()).toEqual([1, 20]);
  });

  it("asks again for a second call, and the first decision does not answer it", async () => {
    const turns = [[{ name: "pay", args: { amount: 1 } }], [{ name: "pay", args: { amount: 2 } }]];
    const { jobId, interrupts } = await asked(callingAgent(tools.url, turns));

    const reply = await decide(jobId, only(interrupts), { decision: "approve" });

    expect(reply.headers["ce-type"]).toBe("dev.my-platform.agent.interrupted");
    const next = only((reply.json() as { interrupts: Interrupt[] }).interrupts);
    expect(next.args).toEqual({ amount: 2 });
    expect(next.interrupt_id).not.toBe(only(interrupts).interrupt_id);
    expect(tools.calls).toHaveLength(1);
    const late = await decide(jobId, only(interrupts), { decision: "reject" });
    expect(late.json()).toMatchObject({ error: { code: "interrupt_answered" } });
    const last = await decide(jobId, next, { decision: "approve" });
    expect(last.json()).toMatchObject({ result: { output: "done" } });
    expect(tools.calls).toHaveLength(2);
  });

  it("takes the same decision again for what it is, and knows a copy of the event", async () => {
    const { jobId, interrupts } = await asked();
    const decisions = [{ interrupt_id: only(interrupts).interrupt_id, decision: "approve" }];
    const event = resumeEvent(jobId, { decisions });
    const first = await postEvent(service.url, event);

    const copy = await postEvent(other.url, event);
    const again = await postEvent(service.url, resumeEvent(jobId, { decisions }));

    expect(copy.headers["ce-id"]).toBe(first.headers["ce-id"]);
    expect([again.status, again.text]).toEqual([200, ""]);
    expect(tools.calls).toHaveLength(1);
  });

  it("is decided for people over the jobs API, on another process", async () => {
    const { jobId, interrupts } = await asked();
    const { interrupt_id, args_digest } = only(interrupts);
    const resume = (body: unknown) => postJson(`${other.url}/jobs/${jobId}/resume`, body);

    const wrong = await resume({ decisions: [{ interrupt_id, decision: "approve", args_digest: "0" }] });
    expect([wrong.status, wrong.json()]).toMatchObject([422, { error: { code: "decision_not_allowed" } }]);
    const right = await resume({ decisions: [{ interrupt_id, decision: "approve", args_digest }] });
    expect([right.status, right.json()]).toMatchObject([202, { job_id: jobId }]);

    const completed = async () => (await jobAt(service.url, jobId)).status === "completed";
    await until(completed, { what: "the run to be completed" });
    const lost = await resume({ decisions: [{ interrupt_id, decision: "reject" }] });
    expect([lost.status, lost.json()]).toMatchObject([409, { error: { code: "lost_race" } }]);
    expect((await resume({ decisions: [{ interrupt_id: randomUUID(), decision: "reject" }] })).status).toBe(
      422,
    );
    const unknown = await postJson(`${other.url}/jobs/${randomUUID()}/resume`, {
      decisions: [{ interrupt_id, decision: "reject" }],
    });
    expect(unknown.status).toBe(404);
  });

  it("may only be decided by those who are named", async () => {
    const approval = { approvers: ["ann", "treasury"] };
    const { jobId, interrupts } = await asked(callingAgent(tools.url, PAY, { approval }));

    for (const approver of [undefined, "bob"]) {
      const reply = await decide(jobId, only(interrupts), { decision: "approve", approver });
      expect([reply.status, reply.json()]).toMatchObject([403, { error: { code: "forbidden" } }]);
    }
    const reply = await decide(jobId, only(interrupts), { decision: "approve", approver: "ann" });

    expect(reply.headers["ce-type"]).toBe("dev.my-platform.agent.completed");
  });

  it("ends with its job when that is cancelled, and takes no decision then", async () => {
    const { jobId, interrupts } = await asked();

    const cancelled = await postJson(`${service.url}/jobs/${jobId}/cancel`, {});
    expect(cancelled.json()).toMatchObject({ status: "cancelled" });
    const reply = await decide(jobId, only(interrupts), { decision: "approve" });

    expect([reply.status, reply.json()]).toMatchObject([422, { error: { code: "interrupt_closed" } }]);
    expect(tools.calls).toEqual([]);
  });

  it("is decided by default when the time is over", async () => {
    const approval = { expires_in_seconds: 0.3 };
    const { jobId, interrupts } = await asked(callingAgent(tools.url, PAY, { approval }));
    expect(Date.parse(only(interrupts).expires_at ?? "")).toBeGreaterThan(0);

    const completed = async () => (await jobAt(service.url, jobId)).status === "completed";
    await until(completed, { what: "the run to go on by itself", timeoutMs: 10_000 });

    expect(tools.calls).toEqual([]);
    const [row] = await service.database.sql(
      "select decided_by from agent_executor.interrupts where interrupt_id = $1",
      [only(interrupts).interrupt_id],
    );
    expect(row).toEqual({ decided_by: "system:deadline" });
    const late = await decide(jobId, only(interrupts), { decision: "approve" });
    expect(late.status).toBe(422);
  });
});
