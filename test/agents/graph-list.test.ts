import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readGraphList } from "../../src/agents/graph-list.ts";

describe("GRAPH_MODULES", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "graphs-"));
  });
  const file = async (body: string) => {
    await writeFile(join(folder, "graphs.json"), body);
    return join(folder, "graphs.json");
  };

  it("is empty without a value", () => {
    expect([...readGraphList(undefined), ...readGraphList(" ")]).toEqual([]);
  });

  it("takes names with paths", () => {
    const list = readGraphList("a=graphs/a.mjs, b=/b=c.mjs");
    expect([...list]).toEqual([
      ["a", resolve("graphs/a.mjs")],
      ["b", "/b=c.mjs"],
    ]);
  });

  it("takes a file, whose paths count from its folder", async () => {
    const list = readGraphList(await file('{"a": "sub/a.mjs", "b": "/b.mjs"}'));
    expect([...list.values()]).toEqual([join(folder, "sub/a.mjs"), "/b.mjs"]);
  });

  it.each(["[]", "{", '{"a": 1}'])("says what is wrong with a file that holds %s", async (body) => {
    const path = await file(body);
    expect(() => readGraphList(path)).toThrow(/^GRAPH_MODULES is not usable: /);
  });

  it.each(["a=", "=b", "a=b,c", "/not/there.json"])("says what is wrong with %s", (text) => {
    expect(() => readGraphList(text)).toThrow(/^GRAPH_MODULES is not usable: /);
  });
});
