import { describe, expect, it } from "vitest";
import { kedaBundle, parseManifests, readText, yamlFiles } from "./manifests.ts";
import { modelProblems, typeProblems } from "./models.ts";
import { change } from "./mutations.ts";

/** Patches are lists of operations, no objects of their own. */
const files = yamlFiles().filter((file) => !file.endsWith(".patch.yaml"));
const manifests = files.flatMap((file) => parseManifests(file, readText(file)));

describe("each manifest", () => {
  it("is one that its model takes", async () => {
    expect(manifests.length).toBeGreaterThan(35);
    expect(await modelProblems(manifests)).toEqual([]);
  });

  it("has no field that its model does not know", async () => {
    expect((await typeProblems(manifests)).flat()).toEqual([]);
  }, 60_000);
});

describe("the check of fields", () => {
  it("finds one that is misspelt, deep inside", async () => {
    const bundle = kedaBundle();
    change(bundle, "Deployment", "spec/template/spec/containers/0/readinessProbe/periodSecond", 5);

    const problems = (await typeProblems(bundle)).flat();

    expect(problems).toEqual([expect.stringContaining("periodSecond")]);
    expect(await modelProblems(bundle)).toEqual([]); // which is why there are two checks
  }, 60_000);
});

describe("reading a manifest", () => {
  it.each([
    ["a key that is given twice", "apiVersion: v1\nkind: A\nkind: B\n", /unique/i],
    ["a tab as indentation", "apiVersion: v1\nkind: A\nspec:\n\ta: 1\n", /tab/i],
    ["a word that is a boolean to Kubernetes", "apiVersion: v1\nkind: A\nspec: { a: on }\n", /quotes/],
    ["a document that is no object", "apiVersion: v1\nkind: A\n---\n- a\n", /apiVersion/],
  ])("refuses %s", (_what, text, message) => {
    expect(() => parseManifests("a.yaml", text)).toThrow(message);
  });
});
