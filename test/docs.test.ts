import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { between, documents } from "../scripts/lib/documents.ts";
import { variables } from "../src/config/variables.ts";
import { catalogue } from "../src/errors/catalogue.ts";

const root = resolve(import.meta.dirname, "..");
const read = (path: string, folder = root) => readFileSync(join(folder, path), "utf8");

describe("the printed documents", () => {
  test.each(documents)("$path is as printed", ({ path, render }) => {
    const current = read(path);
    expect(render(current)).toBe(current);
  });

  test("name every variable and every error", () => {
    for (const { name } of variables) {
      expect(read("README.md")).toContain(`\`${name}\``);
      expect(read("docs/configuration.md")).toContain(`\`${name}\``);
    }
    const codes = [...read("docs/errors.md").matchAll(/^\| `(\w+)` /gm)].map((match) => match[1]);
    expect(codes).toEqual(Object.keys(catalogue));
  });

  test("keep what a person wrote around the markers, and miss the markers when they are gone", () => {
    const page = "before\n<!-- x:start -->\nold\n<!-- x:end -->\nafter\n";
    expect(between("x", page, "new")).toBe("before\n<!-- x:start -->\nnew\n<!-- x:end -->\nafter\n");
    expect(() => between("x", "before\nafter\n", "new")).toThrow("markers");
  });
});

describe("npm run docs", () => {
  let folder = "";
  const printDocs = (...args: string[]) =>
    spawnSync(process.execPath, ["--import", "tsx", join(root, "scripts/print-docs.ts"), ...args, folder], {
      cwd: root,
      encoding: "utf8",
    });
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "docs-"));
    for (const { path } of documents) cpSync(join(root, path), join(folder, path), { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("--check names each document that was changed by hand and changes nothing", () => {
    const path = "docs/errors.md";
    const changed = read(path, folder).replace("400", "418");
    writeFileSync(join(folder, path), changed);
    rmSync(join(folder, ".env.example"));

    const { status, stderr } = printDocs("--check");

    expect(status).toBe(1);
    expect(stderr).toContain(".env.example, docs/errors.md:");
    expect(stderr).not.toContain("README.md");
    expect(read(path, folder)).toBe(changed);
  });

  test("prints what differs, and then --check is content", () => {
    writeFileSync(join(folder, "docs/errors.md"), "");

    const printed = printDocs();

    expect(printed.stdout).toContain("docs/errors.md");
    expect(read("docs/errors.md", folder)).toBe(read("docs/errors.md"));
    expect(printDocs("--check").status).toBe(0);
  });
});
