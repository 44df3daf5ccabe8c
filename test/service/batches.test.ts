import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeEvent, scripted } from "../support/agents.ts";
import { get, send } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

const headers = { "content-type": "application/cloudevents-batch+json" };

describe("batches", () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService();
  });
  afterAll(() => service.close());
  const post = (events: Record<string, unknown>[]) => {
    const batch = events.map((event) => ({ specversion: "1.0", ...event }));
    return send("POST", service.url, JSON.stringify(batch), { headers });
  };

  it("that arrive together, share new definitions and jobs, are all taken, in any order", async () => {
    const definitions = Array.from({ length: 5 }, (_, i) => scripted(`shared ${i} ${randomUUID()}`));
    const anEvent = (n: number) =>
      executeEvent({ job_id: `shared-${n % 13}`, agent_definition: definitions[(n * 7) % 5] });
    const batches = Array.from({ length: 10 }, (_, b) =>
      Array.from({ length: 15 }, (_, e) => anEvent(b * 31 + e * 17)),
    );

    const replies = await Promise.all(batches.map((batch) => post(batch)));

    expect(replies.map((reply) => reply.status)).toEqual(replies.map(() => 202));
    const done = async () => {
      const [row] = await service.database.sql(
        "select count(*)::int as n from agent_executor.runs where job_id like 'shared-%' and status = 'completed'",
      );
      return row?.["n"] === 150;
    };
    await until(done, { what: "150 runs to end", timeoutMs: 18_000 });
  });

  it("that are refused leave no trace, and their definition is taken the next time", async () => {
    const agent_definition = scripted(`fresh ${randomUUID()}`);
    const bare = executeEvent();
    delete bare.data["agent_definition"];

    const refused = await post([executeEvent({ agent_definition }), bare]);
    const taken = await post([executeEvent({ agent_definition })]);

    expect([refused.status, taken.status]).toEqual([400, 202]);
  });
});

describe("a page of jobs", () => {
  it.each([
    ["2026-01-01T00:00:00.000000Z", "\u0000"],
    ["2026-02-30T00:00:00.000000Z", "x"],
    ["0000-01-01T00:00:00.000000Z", "x"],
    ["2026-01-01T00:00:00.000000Z", "x".repeat(300)],
  ])("after a forged place (%s) is refused", async (place, jobId) => {
    const service = await startTestService();
    const after = Buffer.from(JSON.stringify([place, jobId])).toString("base64url");

    expect((await get(`${service.url}/jobs?after=${after}`)).status).toBe(400);
    await service.close();
  });
});
