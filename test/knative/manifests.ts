import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parseAllDocuments } from "yaml";

export const folder = resolve(import.meta.dirname, "../../knative");

export type Manifest = { file: string; apiVersion: string; kind: string; name: string; body: object };
/** Everything that is applied together. */
export type Bundle = readonly Manifest[];

/** What every document has; its `kind` says what else, and models.ts holds it to that. */
type Head = { apiVersion?: string; kind?: string; metadata?: { name?: string } } | null;

/**
 * Strict, and the same in both versions of YAML: Kubernetes reads 1.1, where `on`, `0777` and `1_000` are not
 * what people take them for.
 */
export function parseManifests(file: string, text: string): Manifest[] {
  const read = (version: "1.1" | "1.2") =>
    parseAllDocuments(text, { strict: true, uniqueKeys: true, version }).map((document) => {
      const [problem] = [...document.errors, ...document.warnings];
      if (problem) throw new Error(`${file}: ${problem.message}`);
      return document.toJS() as Head;
    });
  const bodies = read("1.2");
  if (!isDeepStrictEqual(bodies, read("1.1"))) {
    throw new Error(`${file}: a value means something else in YAML 1.1: put it in quotes`);
  }
  return bodies.map((body) => {
    if (!body?.apiVersion || !body.kind) throw new Error(`${file}: a document without apiVersion and kind`);
    return { file, apiVersion: body.apiVersion, kind: body.kind, name: body.metadata?.name ?? "", body };
  });
}

/** Every YAML file below a folder of knative/, as paths from there. */
export function yamlFiles(below = "."): string[] {
  return readdirSync(join(folder, below), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".yaml"))
    .map((file) => join(below, file))
    .sort();
}

export const readText = (file: string) => readFileSync(join(folder, file), "utf8");

/** A kustomization's resources, followed down, as they stand in their files. */
export function readBundle(kustomization: string): Manifest[] {
  const [root] = parseManifests(kustomization, readText(kustomization));
  const here = join(kustomization, "..");
  const { resources = [] } = (root?.body ?? {}) as { resources?: string[] }; // models.ts holds it to that
  return resources.flatMap((resource) => {
    const path = relative(folder, resolve(folder, here, resource));
    return path.endsWith(".yaml")
      ? parseManifests(path, readText(path))
      : readBundle(join(path, "kustomization.yaml"));
  });
}

/** The options are not applied by default, but together with the rest they must still fit. */
export const readOptions = () => yamlFiles("options").flatMap((file) => parseManifests(file, readText(file)));

export const knativeBundle = (): Manifest[] => [...readBundle("kustomization.yaml"), ...readOptions()];
export const kedaBundle = (): Manifest[] => readBundle("keda/kustomization.yaml");

/** All of a kind, as its model's type: models.ts has held them to it. */
export function all<Body extends object>(bundle: Bundle, kind: string, group = ""): Body[] {
  const found = bundle.filter((each) => each.kind === kind && each.apiVersion.startsWith(group));
  return found.map(({ body }) => body as Body); // see above
}
