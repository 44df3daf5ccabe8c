import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent } from "../support/agents.ts";
import { callingAgent, type Interrupt, resumeEvent } from "../support/approvals.ts";
import { type Issuer, startIssuer } from "../support/issuer.ts";
import { jobAt } from "../support/jobs.ts";
import { get, postEvent, postJson, type Reply } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

const PAY = [[{ name: "pay", args: { amount: 7 } }]];

describe("a question of someone's job", () => {
  let issuer: Issuer;
  let service: TestService;
  let tools: ToolServer;
  beforeAll(async () => {
    issuer = await startIssuer();
    service = await startTestService({
      EGRESS_ALLOW: "127.0.0.0/8",
      OIDC_ISSUER: issuer.url,
      OIDC_AUDIENCE: issuer.audience,
      OIDC_OPERATORS: "root",
    });
    tools = await startToolServer();
  });
  afterAll(async () => {
    await tools.close();
    await service.close();
    await issuer[Symbol.asyncDispose]();
  });

  const as = async (sub: string, groups?: unknown) => ({
    headers: { authorization: `Bearer ${await issuer.token({ sub, groups })}` },
  });
  /** A job of alice's that asks; `approvers` are whom it asks. */
  const asked = async (approvers?: string[]) => {
    const approval = approvers === undefined ? true : { approvers };
    const event = executeEvent({ agent_definition: callingAgent(tools.url, PAY, { approval }) });
    const reply = await postEvent(service.url, event, await as("alice"));
    const { interrupts } = reply.json() as { interrupts: Interrupt[] };
    const decisions = [{ interrupt_id: interrupts[0]?.interrupt_id, decision: "approve", approver: "carol" }];
    return { jobId: String(event.data["job_id"]), decisions };
  };
  type Asked = Awaited<ReturnType<typeof asked>>;
  const ways: [string, (it: Asked, who: Awaited<ReturnType<typeof as>>) => Promise<Reply>][] = [
    [
      "by event",
      (it, who) => postEvent(service.url, resumeEvent(it.jobId, { decisions: it.decisions }), who),
    ],
    [
      "by path",
      (it, who) => postJson(`${service.url}/jobs/${it.jobId}/resume`, { decisions: it.decisions }, who),
    ],
  ];
  const statusOf = async (jobId: string) => {
    const [run] = await service.database.sql("select status from agent_executor.runs where job_id = $1", [
      jobId,
    ]);
    return run?.["status"];
  };

  describe.each(ways)("decided %s", (_, decide) => {
    it("is its owner's and the operators' when it asks nobody by name", async () => {
      const [one, two] = [await asked(), await asked()];

      expect((await decide(one, await as("bob", ["treasury"]))).status).toBe(403);
      expect(await statusOf(one.jobId)).toBe("waiting");
      for (const [it, who] of [
        [one, "alice"],
        [two, "root"],
      ] as const) {
        expect([200, 202]).toContain((await decide(it, await as(who))).status);
        await until(async () => (await statusOf(it.jobId)) === "completed", { what: "the run to go on" });
      }
    });

    it.each<[string, string, unknown, boolean]>([
      ["the one who is asked", "carol", undefined, true],
      ["one of a group that is asked", "dan", ["staff", "treasury"], true],
      ["one of another group", "dan", ["staff"], false],
      ["one whose groups are no list", "dan", "treasury", false],
      ["one who only says to be carol", "mallory", undefined, false],
      ["its owner, who is not asked", "alice", undefined, false],
      ["an operator, who is not asked", "root", undefined, false],
    ])("is for those it asks: %s", async (_, sub, groups, may) => {
      const it = await asked(["carol", "treasury"]);
      const who = await as(sub, groups);

      const reply = await decide(it, who);

      expect(reply.status).toBe(may ? 202 : 403);
      if (!may) {
        expect(await statusOf(it.jobId)).toBe("waiting");
        return;
      }
      expect(reply.headers["ce-type"]).toBeUndefined(); // the outcome is the owner's
      await until(async () => (await statusOf(it.jobId)) === "completed", { what: "the run to go on" });
      expect((await get(`${service.url}/jobs/${it.jobId}`, who)).status).toBe(403);
      const rows = await service.database.sql(
        "select decided_by from agent_executor.interrupts join agent_executor.runs using (run_id) where job_id = $1",
        [it.jobId],
      );
      expect(rows).toEqual([{ decided_by: sub }]);
    });
  });

  it("tells strangers nothing of what there is to decide", async () => {
    const it = await asked(["carol"]);
    const url = `${service.url}/jobs/${it.jobId}/resume`;
    const unknown = { decisions: [{ interrupt_id: randomUUID(), decision: "approve" }] };

    for (const body of [unknown, { resume: "x" }]) {
      const replies = [
        await postJson(url, body, await as("bob")),
        await postJson(url, body, await as("carol")),
      ];
      expect(replies.map(({ status }) => status)).toEqual([403, "resume" in body ? 422 : 403]);
    }
  });

  it("gives a copy of a decision its answer only for who sent it, and for the owner", async () => {
    const it = await asked(["carol"]);
    const event = resumeEvent(it.jobId, { decisions: it.decisions });
    await postEvent(service.url, event, await as("carol"));
    await until(async () => (await statusOf(it.jobId)) === "completed", { what: "the run to go on" });

    const copies = ["carol", "bob", "alice", "root"].map(async (who) => {
      const { status, headers } = await postEvent(service.url, event, await as(who));
      return [status, headers["ce-type"]?.toString().split(".").at(-1)];
    });

    expect(await Promise.all(copies)).toEqual([
      [202, undefined],
      [403, undefined],
      [200, "completed"],
      [200, "completed"],
    ]);
  });

  it("is decided by anyone where callers are not told apart, and by the name they give", async () => {
    const open = await startTestService({ EGRESS_ALLOW: "127.0.0.0/8" });
    const event = executeEvent({
      agent_definition: callingAgent(tools.url, PAY, { approval: { approvers: ["carol"] } }),
    });
    const { interrupts } = (await postEvent(open.url, event)).json() as { interrupts: Interrupt[] };
    const jobId = String(event.data["job_id"]);
    const decisions = [{ interrupt_id: interrupts[0]?.interrupt_id, decision: "approve", approver: "carol" }];

    const reply = await postEvent(open.url, resumeEvent(jobId, { decisions }));

    expect(reply.headers["ce-type"]).toBe("dev.my-platform.agent.completed");
    expect((await jobAt(open.url, jobId)).status).toBe("completed");
    await open.close();
  });
});
