import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startToolServer, type ToolServer, workingAgent } from "../faults/tool-server.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { startJob } from "../support/jobs.ts";
import { get, postEvent } from "../support/post.ts";
import { startOn, startTestService, type TestService } from "../support/service.ts";

let service: TestService;
let tools: ToolServer;
beforeAll(async () => {
  [service, tools] = await Promise.all([
    startTestService({ EGRESS_ALLOW: "127.0.0.0/8" }),
    startToolServer(),
  ]);
});
afterAll(async () => {
  await Promise.all([service.close(), tools.close()]);
});

describe("one run of a job", () => {
  it("is shown with its steps in order, their times and what each used", async () => {
    const { job, run } = await startJob(service.url, { agent_definition: workingAgent(tools.url, 2) });

    const details = (await get(`${service.url}/jobs/${job}/runs/${run}`)).json() as {
      steps: { nodes: string[]; started_at: string; ended_at: string; tokens: number; tool_calls: number }[];
    };

    expect(details.steps.map(({ nodes }) => nodes.join())).toEqual([
      "model_request",
      "tools",
      "model_request",
      "tools",
      "model_request",
    ]);
    expect(details.steps.map(({ tool_calls }) => tool_calls)).toEqual([0, 3, 0, 3, 0]);
    for (const { nodes, tokens } of details.steps) expect(tokens > 0).toBe(nodes.includes("model_request"));
    const moments = details.steps.flatMap(({ started_at, ended_at }) => [started_at, ended_at]);
    expect(moments).toEqual(moments.toSorted());
  });

  it("is shown with the event that came in and the one that went out", async () => {
    const { event, job, run } = await startJob(service.url, {
      agent_definition: scripted("done"),
      input: "what came in",
    });

    const details = (await get(`${service.url}/jobs/${job}/runs/${run}`)).json();

    expect(details).toMatchObject({
      ...{ run_id: run, job_id: job, seq: 1, source: "tests", event_id: event.id, retry_of: null },
      request: { input: "what came in" },
      events: [
        {
          ...{ target: "reply", last_error: null },
          event: { type: "dev.my-platform.agent.completed", causationid: event.id, subject: job },
        },
      ],
    });
  });

  it("is no run of another job", async () => {
    const [one, other] = [await startJob(service.url), await startJob(service.url)];

    const reply = await get(`${service.url}/jobs/${one.job}/runs/${other.run}`);

    expect([reply.status, reply.text]).toEqual([404, expect.stringContaining("unknown_job")]);
  });

  it("names its definition, which can be had as it was sent", async () => {
    const agent_definition = { ...scripted("done"), name: "a name", description: "ü €" };
    const { job, run } = await startJob(service.url, { agent_definition });

    for (const query of ["", `?run_id=${run}`]) {
      const reply = await get(`${service.url}/jobs/${job}/definition${query}`);
      expect(reply.json()).toEqual({
        hash: expect.stringMatching(/^[0-9a-f]{64}$/),
        definition: agent_definition,
      });
    }
    expect((await get(`${service.url}/jobs/${job}/definition?run_id=${randomUUID()}`)).status).toBe(404);
    expect((await get(`${service.url}/jobs/${job}/definition?run_id=x`)).status).toBe(400);
  });
});

describe("the list of jobs", () => {
  it("names the agent of each, and takes those of a span of time", async () => {
    const agent_definition = { ...scripted("done"), name: "librarian" };
    const { job } = await startJob(service.url, { agent_definition });
    const [row] = await service.database.sql("select created_at from agent_executor.jobs where job_id = $1", [
      job,
    ]);
    const at = row?.["created_at"] as Date; // the column's type
    const list = async (query: Record<string, string>) =>
      (await get(`${service.url}/jobs?${new URLSearchParams(query)}`)).json() as {
        jobs: { job_id: string; agent?: string }[];
      };
    const [before, after] = [new Date(at.getTime() - 1), new Date(at.getTime() + 1)].map((each) =>
      each.toISOString(),
    );

    const within = await list({ since: String(before), until: String(after) });

    expect(within.jobs).toMatchObject([{ job_id: job, agent: "librarian" }]);
    expect((await list({ until: String(before) })).jobs.map(({ job_id }) => job_id)).not.toContain(job);
    expect((await list({ since: String(after) })).jobs.map(({ job_id }) => job_id)).not.toContain(job);
  });

  it.each(["yesterday", "2026-13-01T00:00:00Z", "2026-01-01", "", "0000-01-01T00:00:00Z"])(
    "refuses %j as a moment",
    async (since) => {
      const reply = await get(`${service.url}/jobs?${new URLSearchParams({ since })}`);

      expect([reply.status, reply.text]).toEqual([400, expect.stringContaining("/since")]);
    },
  );
});

describe("who asks for pages too often", () => {
  it("is told to come again later, and events are taken all the while", async () => {
    const limited = await startOn(service.database, { JOBS_RATE_LIMIT: "2" });
    try {
      const replies = await Promise.all(Array.from({ length: 12 }, () => get(`${limited.url}/jobs?limit=1`)));

      const refused = replies.filter(({ status }) => status === 429);
      expect(replies.filter(({ status }) => status === 200)).toHaveLength(8);
      expect(refused.map(({ headers }) => Number(headers["retry-after"]) >= 1)).toEqual([
        true,
        true,
        true,
        true,
      ]);
      expect((await postEvent(limited.url, executeEvent())).status).toBe(200);
      expect((await get(`${limited.url}/health`)).status).toBe(200);
    } finally {
      await limited.close();
    }
  });
});
