import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NamedAgents } from "../../src/agents/named-agents.ts";

const agent = (name: string | undefined, version: string | undefined, prompt = "p") => ({
  ...(name && { name }),
  ...(version && { version }),
  nodes: [{ name: "main", model: { provider: "echo" }, system_prompt: prompt }],
});

describe("a folder of agents", () => {
  let folder: string;
  let said: string[];
  let agents: NamedAgents;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "agents-"));
    said = [];
    agents = new NamedAgents(folder, {
      loaded: (file, { name, version }) => said.push(`${file}: ${name}@${version}`),
      bad: (file, problem, kept) => said.push(`${file}: bad${kept ? ", kept" : ""}: ${problem}`),
    });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  const write = (file: string, body: unknown, at = folder) =>
    writeFile(join(at, file), typeof body === "string" ? body : JSON.stringify(body));
  const prompt = (reference: string) =>
    (agents.find(reference)?.body as ReturnType<typeof agent> | undefined)?.nodes[0]?.system_prompt;

  it("gives an agent by name and version, and the newest without one", async () => {
    await write("a.json", agent("writer", "1.9.0", "nine"));
    await write("b.json", agent("writer", "1.10.0", "ten"));
    await write("c.json", agent("writer", "1.10.0-rc.2", "candidate"));
    await write("d.json", agent("writer", undefined, "none"));
    await agents.reload();

    expect(prompt("writer")).toBe("ten");
    expect(prompt("writer@1.9.0")).toBe("nine");
    expect(prompt("writer@1.10.0-rc.2")).toBe("candidate");
    expect(agents.find("writer@2")).toBeUndefined();
    expect(agents.find("write")).toBeUndefined();
  });

  it("takes the name from the file where the definition has none, in JSON and in YAML", async () => {
    await write("plain.agent.json", agent(undefined, undefined, "json"));
    await write("both@3.yaml", "nodes:\n  - name: x\n    model: {provider: echo}\n    system_prompt: yaml\n");
    await write("notes.txt", "no agent");
    await agents.reload();

    expect([prompt("plain"), prompt("both@3"), prompt("both")]).toEqual(["json", "yaml", "yaml"]);
    expect(said).toHaveLength(2);
  });

  it("sees the swap of a mounted ConfigMap", async () => {
    const mount = async (version: string, body: unknown) => {
      await mkdir(join(folder, `..${version}`));
      await write("writer.json", body, join(folder, `..${version}`));
      await symlink(`..${version}`, join(folder, "..data_tmp"));
      await rename(join(folder, "..data_tmp"), join(folder, "..data"));
    };
    await mount("2026_1", agent("writer", "1", "old"));
    await symlink("..data/writer.json", join(folder, "writer.json"));
    await agents.reload();
    expect(prompt("writer")).toBe("old");

    await mount("2026_2", agent("writer", "2", "new"));
    await agents.reload();

    expect(prompt("writer")).toBe("new");
    expect(agents.find("writer@1")).toBeUndefined();
    expect(said).toEqual(["writer.json: writer@1", "writer.json: writer@2"]);
  });

  it.each([
    ["no JSON", "{"],
    ["no definition", { nodes: [] }],
    ["an unknown key", { ...agent("writer", "2"), sytem: 1 }],
  ])("keeps the last good one when a file has %s, and says so once", async (_, body) => {
    await write("writer.json", agent("writer", "1", "good"));
    await agents.reload();
    await write("writer.json", body);
    await agents.reload();
    await agents.reload();

    expect(prompt("writer")).toBe("good");
    expect(agents.bad).toBe(1);
    expect(said.filter((line) => line.startsWith("writer.json: bad, kept"))).toHaveLength(1);

    await write("writer.json", agent("writer", "3", "better"));
    await agents.reload();
    expect([prompt("writer"), agents.bad]).toEqual(["better", 0]);
  });

  it("names all problems of a bad file that was never good, and offers no agent", async () => {
    await write("bad.json", { name: "bad", nodes: [{ model: { provider: "opnai" } }], limit: 1 });
    await agents.reload();

    expect(agents.find("bad")).toBeUndefined();
    expect(said[0]).toContain("unknown_provider at /nodes/0/model/provider");
    expect(said[0]).toContain('did you mean "limits"');
  });

  it("forgets an agent whose file is gone, but nothing when the folder is", async () => {
    await write("writer.json", agent("writer", "1"));
    await write("other.json", agent("other", "1"));
    await agents.reload();
    await rm(join(folder, "other.json"));
    await agents.reload();
    expect(agents.find("other")).toBeUndefined();

    await rm(folder, { recursive: true });
    await agents.reload();
    await agents.reload();
    expect(agents.find("writer")).toBeDefined();
    expect(said.filter((line) => line.includes("ENOENT"))).toHaveLength(1);
  });

  it("does not let aliases make a small file huge", async () => {
    await write("bomb.yaml", "a: &a [x, x]\nb: &b [*a, *a]\nnodes: [*b, *b]\n");
    await agents.reload();
    expect(said[0]).toContain("bad");
  });
});
