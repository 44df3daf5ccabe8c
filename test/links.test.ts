import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
const documents = [
  ...["README.md", "CHANGELOG.md", "examples/README.md"],
  ...["docs", "docs/adr", "knative"].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith(".md"))
      .map((name) => join(folder, name)),
  ),
];
const textOf = (path: string) => readFileSync(join(root, path), "utf8").replaceAll(/^```[\s\S]*?^```/gm, "");

/** As GitHub makes them of headings. */
const anchorsOf = (path: string) =>
  [...textOf(path).matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );

function brokenIn(path: string): string[] {
  const links = [...textOf(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
  return links.filter((link) => {
    if (/^(https?:|mailto:)/.test(link)) return false;
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? path : relative(root, resolve(root, dirname(path), file));
    if (target.startsWith("..") || !existsSync(join(root, target))) return true;
    return anchor !== undefined && !anchorsOf(target).includes(anchor);
  });
}

describe("links between documents", () => {
  it.each(documents)("of %s lead somewhere", (path) => {
    expect(brokenIn(path)).toEqual([]);
  });

  it("are seen: there are many, and from the README every page is one or two links away", () => {
    const linked = (path: string) =>
      [...textOf(path).matchAll(/\]\(([^)\s#]+\.md)[^)]*\)/g)]
        .map(([, target = ""]) => relative(root, resolve(root, dirname(path), target)))
        .filter((target) => existsSync(join(root, target)));
    const near = linked("README.md");
    const reached = new Set([...near, ...near.flatMap(linked)]);

    expect(near.length).toBeGreaterThan(10);
    const pages = documents.filter((path) => /^docs\/[^/]+$/.test(path));
    expect(pages.filter((page) => !reached.has(page))).toEqual([]);
  });
});
