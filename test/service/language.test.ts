import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeEvent } from "../support/agents.ts";
import { postEvent } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";

const scripted = (...responses: unknown[]) => ({ provider: "scripted", responses });
const says = (text: string) => ({ nodes: [{ name: "main", model: scripted(text) }] });
const loop = {
  state_schema: { drafts: { reducer: "append" } },
  nodes: [
    { name: "writer", model: scripted("a draft"), writes: ["drafts"] },
    { name: "critic", model: scripted("not yet") },
  ],
  edges: [
    { from: "START", to: "writer" },
    { from: "writer", to: "critic" },
    { from: "critic", to: "writer", when: "size(state.drafts) < 1000" },
    { from: "critic", to: "END", when: "size(state.drafts) >= 1000" },
  ],
};
const task = (to: string) => ({ name: "task", args: { subagent_type: to, description: "work" } });
const team = {
  nodes: [
    {
      name: "boss",
      type: "orchestrator",
      model: scripted({ content: "Thinking.", tool_calls: [task("helper")] }),
    },
    { name: "helper", model: scripted({ tool_calls: [{ name: "ls", args: { path: "/" } }] }) },
  ],
};

describe("a definition of several nodes, in the service", () => {
  let service: TestService;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agents-"));
    await writeFile(join(folder, "greeter.json"), JSON.stringify({ ...says("one"), version: "1" }));
    await writeFile(join(folder, "broken.json"), "{");
    service = await startTestService({ AGENTS_DIR: folder });
  });
  afterAll(async () => {
    await service.close();
    await rm(folder, { recursive: true });
  });
  const send = async (data: Record<string, unknown>) => {
    const reply = await postEvent(service.url, executeEvent(data));
    return reply.json() as Record<string, Record<string, unknown>>;
  };

  it.each([
    ["steps of a loop, its agents' included", loop, { steps: 20 }, "/limits/steps"],
    ["tokens of all its nodes", loop, { tokens: 40, steps: 1000 }, "/limits/tokens"],
    ["calls of tools of a specialist", team, { tool_calls: 5 }, "/limits/tool_calls"],
    ["steps of a specialist", team, { steps: 30 }, "/limits/steps"],
  ])("ends at its limit of %s, with what there is of a result", async (_, agent_definition, limits, path) => {
    const { error, partial } = await send({ agent_definition, limits });

    expect(error).toMatchObject({ code: "limit_exceeded", path });
    expect(partial).toMatchObject({ output: expect.anything() });
  });

  it("gives what the channels of a cut pipeline hold", async () => {
    const { partial } = await send({ agent_definition: loop, limits: { steps: 20 } });
    expect(partial).toMatchObject({ state: { drafts: expect.arrayContaining(["a draft"]) } });
  });

  it("fails as its specialist fails", async () => {
    const helper = { name: "helper", model: scripted({ error: { status: 400, message: "no such model" } }) };
    const { error } = await send({ agent_definition: { nodes: [team.nodes[0], helper] } });
    expect(error).toMatchObject({ code: "model_refused" });
  });

  it("keeps its state over the turns of a job, and nothing of a turn's routes and answers", async () => {
    const job_id = randomUUID();
    const agent_definition = {
      state_schema: { log: { reducer: "append" }, name: { type: "str" } },
      nodes: [
        { name: "a", model: { provider: "echo" }, writes: ["log"] },
        { name: "b", model: { provider: "echo" }, reads: ["log", "name"] },
      ],
      edges: [{ from: "a", to: "b" }],
    };
    await send({
      job_id,
      agent_definition,
      input: { messages: [{ role: "user", content: "one" }], name: "Ada" },
    });
    const { result } = await send({ job_id, agent_definition: undefined, input: "two" });

    expect(result).toMatchObject({ state: { log: ["one", "two"], name: "Ada" } });
  });

  it("is found by its name, as the file is now", async () => {
    expect((await send({ agent_definition: undefined, agent: "greeter" }))["result"]).toMatchObject({
      output: "one",
    });

    await writeFile(join(folder, "greeter.json"), JSON.stringify({ ...says("two"), version: "2" }));
    const isNew = async () =>
      (await send({ agent_definition: undefined, agent: "greeter" }))["result"]?.["output"] === "two";
    await until(isNew, { what: "the new version to be used", timeoutMs: 10_000 });

    const { error } = await send({ agent_definition: undefined, agent: "greeter@1" });
    expect(error).toMatchObject({ code: "unknown_agent", path: "/agent" });
  });

  it("is reported where it is bad", async () => {
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toContain("agent_executor_agent_files_bad 1");
  });
});
