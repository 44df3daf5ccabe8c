import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Metafile } from "esbuild";

const LICENCE = /^(licen[cs]e|copying|notice)/i;

/** The licence texts of all packages that are in a bundle: they allow to pass it on if they go along. */
export function licencesOf(bundles: readonly Metafile[], root: string): string {
  const files = bundles.flatMap(({ inputs }) => Object.keys(inputs));
  const folders = new Set(files.flatMap((file) => packageFolder(join(root, file)) ?? []));
  return [...folders].sort().map(licenceOf).join("\n");
}

/** The innermost folder with a package.json: packages may carry others in folders of their own making. */
function packageFolder(file: string): string | undefined {
  const [folder] = /^.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(file) ?? [];
  if (folder === undefined || existsSync(join(folder, "package.json"))) return folder;
  return packageFolder(folder.replace(/\/node_modules\/[^/]+(\/[^/]+)?$/, ""));
}

function licenceOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const texts = readdirSync(folder)
    .filter((file) => LICENCE.test(file))
    .map((file) => readFileSync(join(folder, file), "utf8").trim());
  return [`==== ${name} ${version} (${license}) ====`, ...texts, ""].join("\n\n");
}
