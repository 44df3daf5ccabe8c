import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { callingAgent, resumeEvent } from "../support/approvals.ts";
import { get, postEvent } from "../support/post.ts";
import { hasPromtool, promtool } from "../support/promtool.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

/** Names of series with their labels, without figures. */
const seriesOf = (text: string) =>
  text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.replace(/ \S+$/, ""));
const figure = (text: string, series: string) =>
  Number(
    text
      .split("\n")
      .find((line) => line.startsWith(`${series} `))
      ?.split(" ")
      .at(-1),
  );

describe("the metrics of a service", () => {
  let service: TestService;
  let tools: ToolServer;
  beforeAll(async () => {
    service = await startTestService({ EGRESS_ALLOW: "127.0.0.0/8" });
    tools = await startToolServer();
  });
  afterAll(async () => {
    await service.close();
    await tools.close();
  });
  const scrape = async () => (await get(`${service.url}/metrics`)).text;
  const send = (data: Record<string, unknown>, prefer?: string) =>
    postEvent(service.url, executeEvent(data), prefer ? { headers: { prefer } } : {});

  it("count nodes, tools, checkpoints, graphs and events by what a run did", async () => {
    const agent = callingAgent(tools.url, [[{ name: "look", args: { amount: 1 } }]], {});
    const before = await scrape();

    await send({ agent_definition: agent });
    await send({ agent_definition: agent });

    const after = await scrape();
    const grown = (series: string) => figure(after, series) - (figure(before, series) || 0);
    expect(grown('agent_executor_node_duration_seconds_count{kind="model"}')).toBe(4);
    expect(grown('agent_executor_node_duration_seconds_count{kind="tools"}')).toBe(2);
    expect(grown('agent_executor_tool_calls_total{kind="http",outcome="ok"}')).toBe(2);
    expect(grown('agent_executor_graph_cache_total{result="miss"}')).toBe(1);
    expect(grown('agent_executor_graph_cache_total{result="hit"}')).toBe(1);
    expect(grown('agent_executor_run_attempts_total{outcome="completed"}')).toBe(2);
    expect(grown('agent_executor_events_total{door="http",outcome="answered"}')).toBe(2);
    expect(grown("agent_executor_checkpoint_writes_total")).toBeGreaterThan(4);
    expect(grown("agent_executor_checkpoint_bytes_total")).toBeGreaterThan(1000);
    expect(figure(after, "agent_executor_runs_active")).toBe(0);
    expect(figure(after, "agent_executor_db_connections_idle")).toBeGreaterThan(0);
    expect(figure(after, "agent_executor_event_loop_lag_seconds")).toBeGreaterThanOrEqual(0);
  });

  it("show runs that wait, for a place and for a person, and how old the oldest is", async () => {
    const job_id = randomUUID();
    const asking = callingAgent(tools.url, [[{ name: "pay", args: { amount: 1 } }]]);
    await send({ job_id, agent_definition: asking });
    await send({ job_id, input: "and then?" }, "respond-async");

    // Asked of the database at most every five seconds.
    await until(async () => figure(await scrape(), "agent_executor_runs_queued") === 1, {
      what: "the queued run to show",
      timeoutMs: 8000,
    });
    const text = await scrape();
    expect(figure(text, "agent_executor_runs_waiting")).toBe(1);
    expect(figure(text, "agent_executor_runs_queued_oldest_seconds")).toBeGreaterThan(0);
  });

  it("have the five of the reference by name, label and bucket", async () => {
    const text = await scrape();

    for (const name of ["vault_auth_failures", "db_connection_errors", "redis_publish_errors"]) {
      expect(text).toContain(`# TYPE agent_executor_${name}_total counter`);
    }
    expect(text).toContain('agent_executor_jobs_total{status="completed"}');
    const bounds = [...text.matchAll(/agent_executor_job_duration_seconds_bucket\{le="([^"]+)"/g)].map(
      ([, bound]) => bound,
    );
    expect(bounds).toEqual(["0.1", "0.5", "1", "2.5", "5", "10", "30", "60", "120", "300", "+Inf"]);
  });

  it("grow no series by what senders choose: a thousand ids, definitions, names of nodes, tools and models", async () => {
    await send({ agent_definition: callingAgent(tools.url, [[{ name: "warm", args: { amount: 1 } }]], {}) });
    await send({
      agent_definition: { nodes: [{ type: "agent", name: "x", model: { provider: "nobody" } }] },
    });
    await send({ agent_definition: scripted("warm") });
    await postEvent(service.url, resumeEvent(randomUUID(), { resume: "x" }));
    const before = new Set(seriesOf(await scrape()));

    const one = async (i: number) => {
      const name = `n${i}-${randomUUID()}`;
      const [node] = scripted({ content: name })["nodes"] as Record<string, unknown>[];
      const strange = { provider: `p${i}`, model: name };
      const model = i % 10 === 0 ? strange : { ...(node?.["model"] as object), model: name };
      const definition = { name, nodes: [{ ...node, name, model }] };
      if (i % 50 === 1) {
        await send({
          agent_definition: callingAgent(tools.url, [[{ name: `t${i}`, args: { amount: i } }]], {}),
        });
      } else if (i % 7 === 0) {
        await postEvent(service.url, resumeEvent(name, { resume: name }, name));
      } else await send({ job_id: name, agent_definition: definition, trace_id: name });
    };
    for (let i = 0; i < 1000; i += 20) {
      await Promise.all(Array.from({ length: 20 }, (_, k) => one(i + k)));
    }

    const after = seriesOf(await scrape());
    expect(after.filter((series) => !before.has(series))).toEqual([]);
    expect(after.length).toBeLessThan(400);
  }, 120_000);

  it.runIf(hasPromtool)("are clean to promtool", async () => {
    expect(await promtool(["check", "metrics"], await scrape())).toEqual({ ok: true, said: "" });
  });
});
