import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { runCommandLine } from "../../src/cli/run.ts";

const examples = resolve(import.meta.dirname, "../../examples");

describe("agent-executor", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "definitions-"));
  });
  const run = async (...args: string[]) => {
    const said: string[] = [];
    const complaints: string[] = [];
    const nothing = () => Promise.reject(new Error("not needed"));
    const code = await runCommandLine(args, {
      openDatabase: nothing,
      checks: nothing,
      print: (line) => said.push(line),
      complain: (line) => complaints.push(line),
    });
    return { code, said: said.join("\n"), complaints: complaints.join("\n") };
  };
  const file = async (name: string, body: string) => {
    await writeFile(join(folder, name), body);
    return join(folder, name);
  };

  it("validate takes a valid definition, in JSON and in YAML", async () => {
    expect(await run("validate", join(examples, "router.agent.json"))).toMatchObject({ code: 0 });
    expect(await run("validate", join(examples, "agents/greeter.yaml"))).toMatchObject({ code: 0 });
  });

  it("validate says all problems at once and fails", async () => {
    const nodes = [
      { name: "a", model: { model: "x" }, tools: ["t"] },
      { name: "a", model: { provider: "opnai" } },
    ];
    const { code, said, complaints } = await run(
      "validate",
      await file("bad.json", JSON.stringify({ nodes })),
    );

    expect(code).toBe(1);
    expect(said.split("\n")).toEqual([
      expect.stringContaining("duplicate_name at /nodes/1/name"),
      expect.stringContaining("unknown_tool at /nodes/0/tools/0"),
      expect.stringContaining("unknown_provider at /nodes/1/model/provider"),
    ]);
    expect(complaints).toBe("3 problems found");
  });

  it("validate without a file is a wrong use", async () => {
    expect(await run("validate")).toMatchObject({ code: 2 });
    expect((await run("validate", await file("no.json", "{"))).code).toBe(1);
  });

  it("graph draws the ways, and nothing of a name is taken for Mermaid", async () => {
    const nodes = ["a", 'b"] --> END'].map((name) => ({ name, model: { model: "x" } }));
    const body = { nodes, edges: [{ from: "a", to: nodes[1]?.name, when: "input == 'x'" }] };
    const { code, said } = await run("graph", await file("odd.json", JSON.stringify(body)));

    expect(code).toBe(0);
    expect(said.split("\n").slice(0, 3)).toEqual(["flowchart TD", "  START((START))", "  END((END))"]);
    expect(said).toContain('n0 -->|"input == #39;x#39;"| n1');
    expect(said).toContain('n1["b#34;#93; --#62; END<br/>agent"]');
    expect(said).toContain("START --> n0");
  });

  it("graph draws who may delegate to whom", async () => {
    const { said } = await run("graph", join(examples, "research-team.agent.json"));
    expect(said.split("\n").filter((line) => line.includes("-->"))).toEqual([
      "  START --> n0",
      "  n0 --> n1",
      "  n0 --> n2",
      "  n2 --> n3",
      "  n0 --> END",
    ]);
  });
});
