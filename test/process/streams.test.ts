import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { measureStreams } from "../../bench/streams.ts";
import { startToolServer } from "../faults/tool-server.ts";
import { executeEvent } from "../support/agents.ts";
import { callingAgent } from "../support/approvals.ts";
import { freshDatabase } from "../support/databases.ts";
import { serviceUrl } from "../support/environment.ts";
import { postEvent } from "../support/post.ts";
import { spawnService } from "../support/process.ts";
import { readStream, type SseEvent } from "../support/sse.ts";

describe("the stream of a job, with processes that are killed", () => {
  it("tells of the new attempt on another process, and ends once", { timeout: 60_000 }, async () => {
    await using database = await freshDatabase({ mayLeak: true });
    await using tools = await startToolServer().then((server) => ({
      ...server,
      [Symbol.asyncDispose]: () => server.close(),
    }));
    const env = {
      ...{ DATABASE_URL: database.url, REDIS_URL: serviceUrl("redis") },
      ...{ EGRESS_ALLOW: "127.0.0.0/8", RUN_LEASE_SECONDS: "3" },
    };
    const first = await spawnService(env);
    await first.waitForHealth();
    const agent = callingAgent(tools.url, [[{ name: "pay", args: { amount: 7 } }]], {});
    const responses = [
      { tool_calls: [{ name: "pay", args: { amount: 7 } }] },
      { content: "done", delay_ms: 3000 },
    ];
    const model = { provider: "scripted", model: "x", responses };
    const nodes = [{ type: "agent", name: "main", model, tools: ["pay"] }];
    const job_id = randomUUID();
    const event = executeEvent({ job_id, agent_definition: { ...agent, nodes } });
    await postEvent(first.url, event, { headers: { prefer: "respond-async" } });
    const second = await spawnService(env);
    await second.waitForHealth();

    // The tool has answered and its step is stored: now the process dies.
    const onEvent = ({ data }: SseEvent) => {
      if (data.event_type === "on_state_update" && data.data["node"] === "tools") void first.kill("SIGKILL");
    };
    const { events, ended } = readStream(`${second.url}/jobs/${job_id}/events`, { onEvent });
    await ended;

    const types = events.map(({ event: type }) => type);
    expect(types.filter((type) => type === "end")).toHaveLength(1);
    expect(types.at(-1)).toBe("end");
    const restart = events.find(({ event: type }) => type === "on_restart");
    expect(restart?.data.data).toMatchObject({ attempt: 2 });
    expect(events.at(-1)?.data.data).toMatchObject({ attempt: 2, final_result: { output: "done" } });
    expect(new Set(events.map(({ data }) => data.data.run_id)).size).toBe(1);
    expect(tools.calls).toHaveLength(1);
  });

  it("costs a run nothing when 50 read it, 10 of them stuck", { timeout: 120_000 }, async () => {
    const [round] = await measureStreams(1, 16);

    // One pair on a machine that does other things: the benchmark takes medians, and holds 1.25.
    expect(round && round.cpu.read / round.cpu.alone).toBeLessThan(1.5);
    expect(round?.stuckMiB).toBeLessThan(4); // beside the noise of a garbage collector; 1 in the benchmark
  });
});
