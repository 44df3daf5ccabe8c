import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Service } from "../../src/service.ts";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent } from "../support/agents.ts";
import { callingAgent, type Interrupt, resumeEvent } from "../support/approvals.ts";
import { postEvent } from "../support/post.ts";
import { startOn, startTestService, type TestService } from "../support/service.ts";
import { type Sink, startSink } from "../support/sink.ts";
import { until } from "../support/wait.ts";

const ROUNDS = 200;
const AT_ONCE = 20;
/** Long enough for the question to reach its deciders. */
const EXPIRES_SECONDS = 1.5;

describe("approval, rejection and deadline at the same instant", () => {
  let service: TestService;
  let other: Service;
  let tools: ToolServer;
  let sink: Sink;
  beforeAll(async () => {
    sink = await startSink();
    const env = { EGRESS_ALLOW: "127.0.0.0/8", K_SINK: sink.url };
    service = await startTestService(env);
    other = await startOn(service.database, env);
    tools = await startToolServer();
  });
  afterAll(async () => {
    await tools.close();
    await other.close();
    await service.close();
    await sink.close();
  });

  it(`have one winner each time, and the sink sees the same one: ${ROUNDS} times`, async () => {
    const winners: Record<string, number> = {};
    for (let round = 0; round < ROUNDS; round += AT_ONCE) {
      const outcomes = await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => race(round + n)));
      for (const winner of outcomes) winners[winner] = (winners[winner] ?? 0) + 1;
    }

    expect(Object.values(winners).reduce((sum, n) => sum + n, 0)).toBe(ROUNDS);
    expect(Object.keys(winners).sort()).toEqual(["approve", "deadline", "reject"]);
  }, 120_000);

  /** One question, three deciders; gives who was first, having checked that all the rest says the same. */
  async function race(round: number): Promise<string> {
    const amount = round + 1000;
    const approval = { expires_in_seconds: EXPIRES_SECONDS };
    const agent = callingAgent(tools.url, [[{ name: "pay", args: { amount } }]], { approval });
    const event = executeEvent({ agent_definition: agent });
    const jobId = String(event.data["job_id"]);
    await postEvent(service.url, event);
    const asked = sink.accepted().find(({ causationid }) => causationid === event.id);
    if (asked === undefined) throw new Error("no question came");
    const [interrupt] = (asked.data as { interrupts: Interrupt[] }).interrupts;
    const interrupt_id = interrupt?.interrupt_id;
    const expiresAt = Date.parse(interrupt?.expires_at ?? "");
    const resume = (decision: string) => resumeEvent(jobId, { decisions: [{ interrupt_id, decision }] });

    // Around the deadline, some a little before and some behind it.
    const at = expiresAt - 60 + (round % 5) * 30;
    await until(() => Date.now() >= at, { what: "the instant" });
    const doors = round % 2 === 0 ? [service.url, other.url] : [other.url, service.url];
    const decided = ["approve", "reject"].map((decision, n) => postEvent(doors[n] ?? "", resume(decision)));
    const statuses = (await Promise.all(decided)).map(({ status }) => status);
    const results = () =>
      sink
        .accepted()
        .filter(({ causationid, type }) => causationid === event.id && type.endsWith(".completed"));
    await until(() => results().length > 0, { what: "the result", timeoutMs: 20_000 });

    const [row] = await service.database.sql(
      `select i.decision::json ->> 'decision' as decision, i.decided_by
         from agent_executor.interrupts i where interrupt_id = $1`,
      [interrupt_id],
    );
    const winner = row?.["decided_by"] === "system:deadline" ? "deadline" : String(row?.["decision"]);
    const taken = { approve: [200, 422], reject: [422, 200], deadline: [422, 422] }[winner];
    expect(statuses).toEqual(taken);
    const calls = tools.calls.filter(({ body }) => JSON.parse(body).amount === amount);
    expect(calls).toHaveLength(winner === "approve" ? 1 : 0);
    expect(results()).toHaveLength(1);
    return winner;
  }
});
