import { resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startToolServer, type ToolServer } from "../faults/tool-server.ts";
import { executeEvent } from "../support/agents.ts";
import { type Interrupt, resumeEvent } from "../support/approvals.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { jobWhen } from "../support/jobs.ts";
import { type ModelServer, startModelServer } from "../support/model-server.ts";
import { postEvent } from "../support/post.ts";
import { type SpawnedService, spawnService } from "../support/process.ts";
import { until } from "../support/wait.ts";

const GRAPH_MODULES = `asking=${resolve(import.meta.dirname, "graphs/asking.mjs")}`;
const model = { model: "m" };

/** The built service, which holds LangGraph in its bundle, killed for real in the middle of graphs. */
describe("a graph of several steps", { timeout: 60_000 }, () => {
  let database: TestDatabase;
  let models: ModelServer;
  let tools: ToolServer;
  beforeEach(async () => {
    database = await freshDatabase({ mayLeak: true });
    models = await startModelServer();
    tools = await startToolServer();
  });
  afterEach(async () => {
    await tools.close();
    await models.close();
    await database[Symbol.asyncDispose]();
  });

  const start = async (): Promise<SpawnedService> => {
    const service = await spawnService({
      DATABASE_URL: database.url,
      RUN_LEASE_SECONDS: "3",
      OPENAI_BASE_URL: models.openaiUrl,
      OPENAI_API_KEY: "k",
      EGRESS_ALLOW: "127.0.0.0/8",
      GRAPH_MODULES,
    });
    await service.waitForHealth();
    return service;
  };
  const finished = async (service: SpawnedService, jobId: string) => {
    const job = await jobWhen(service.url, jobId, ({ status }) => status === "completed");
    return job as unknown as { result: Record<string, unknown> };
  };
  const sayAll = (silent?: string) => {
    models.reply(({ body }) => {
      const name = ["Alpha", "Beta", "Gamma"].find((each) => body.includes(`You are ${each}`)) ?? "";
      return { content: `${name} says.`, hang: name === silent };
    });
  };
  const askedOf = (name: string) =>
    models.requests.filter(({ body }) => body.includes(`You are ${name}`)).length;

  it.each([
    ["as it is", { graph: "asking" }],
    [
      "as a node of a pipeline",
      {
        nodes: [
          { name: "inner", type: "graph", graph: "asking" },
          { name: "last", type: "agent", model },
        ],
        edges: [{ from: "inner", to: "last" }],
      },
    ],
  ])("from a module asks and goes on, in another process, %s", async (_, agent_definition) => {
    const first = await start();
    models.reply(["It is blue, they say."]);
    const event = executeEvent({ agent_definition, input: "Paint it!" });
    const jobId = String(event.data["job_id"]);
    const asked = await postEvent(first.url, event);
    expect(asked.headers["ce-type"]).toBe("dev.my-platform.agent.interrupted");
    const { interrupts } = asked.json() as { interrupts: Interrupt[] };
    expect(interrupts).toMatchObject([{ kind: "question", message: "Which colour?" }]);
    await first.kill("SIGKILL");

    const second = await start();
    const reply = await postEvent(second.url, resumeEvent(jobId, { resume: "blue" }));

    const { result } = reply.json() as { result: { output: string } };
    expect(result.output).toMatch(/^It is blue/);
  });

  it("of a pipeline that is killed in a branch asks no model again that has answered", async () => {
    const nodes = ["Alpha", "Beta", "Gamma"].map((name) => ({
      name,
      model,
      system_prompt: `You are ${name}.`,
    }));
    const edges = [
      { from: "START", to: "Alpha" },
      { from: "START", to: "Beta" },
      { from: "Alpha", to: "Gamma" },
      { from: "Beta", to: "Gamma" },
    ];
    sayAll("Beta");
    const first = await start();
    const event = executeEvent({ agent_definition: { nodes, edges } });
    const sent = postEvent(first.url, event).catch(() => undefined);
    const written = async () => {
      const rows = await database.sql(
        "select 1 from agent_executor.checkpoint_writes where channel like 'join:%'",
      );
      return rows.length > 0 && askedOf("Beta") === 1;
    };
    await until(written, { what: "the first branch to be committed", timeoutMs: 20_000 });
    await first.kill("SIGKILL");
    await sent;
    sayAll();

    const second = await start();
    const { result } = await finished(second, String(event.data["job_id"]));

    expect(result["output"]).toBe("Gamma says.");
    expect([askedOf("Alpha"), askedOf("Beta"), askedOf("Gamma")]).toEqual([1, 2, 1]);
  });

  it("of an orchestrator asks no specialist again whose work was done when a question in another is answered", async () => {
    const tool_definitions = [
      { name: "pay", approval: true, runtime: { type: "http", method: "POST", url: `${tools.url}/pay` } },
      { name: "look", runtime: { type: "http", method: "GET", url: `${tools.url}/look` } },
    ];
    const call = (name: string, args = {}) => ({ name, args });
    const boss = {
      provider: "scripted",
      responses: [
        {
          tool_calls: [
            call("task", { subagent_type: "payer", description: "pay" }),
            call("task", { subagent_type: "Alpha", description: "write" }),
          ],
        },
        "All done.",
      ],
    };
    const payer = { provider: "scripted", responses: [{ tool_calls: [call("look"), call("pay")] }, "Paid."] };
    const nodes = [
      { name: "boss", type: "orchestrator", model: boss },
      { name: "payer", model: payer, tools: ["pay", "look"] },
      { name: "Alpha", model, system_prompt: "You are Alpha." },
    ];
    sayAll();
    const first = await start();
    const event = executeEvent({ agent_definition: { tool_definitions, nodes } });
    const asked = await postEvent(first.url, event);
    const { interrupts } = asked.json() as { interrupts: Interrupt[] };
    expect(interrupts).toMatchObject([{ kind: "tool", tool: "pay" }]);
    await first.kill("SIGKILL");

    const second = await start();
    const decisions = [{ interrupt_id: interrupts[0]?.interrupt_id, decision: "approve" }];
    const reply = await postEvent(second.url, resumeEvent(String(event.data["job_id"]), { decisions }));

    expect(reply.json()).toMatchObject({ result: { output: "All done." } });
    expect(askedOf("Alpha")).toBe(1);
    expect(tools.calls.length).toBe(2);
  });
});
