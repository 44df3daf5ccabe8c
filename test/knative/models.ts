import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { runCommand } from "../support/process.ts";
import type { Manifest } from "./manifests.ts";

const root = resolve(import.meta.dirname, "../..");
type Model = new (body: unknown) => { validate(): void };

/** The packages that describe a group and version; what no package does is in own-models.ts. */
const packages: Record<string, { from: string; load?: () => Promise<object> }> = {
  v1: { from: "kubernetes-models/v1", load: () => import("kubernetes-models/v1") },
  "apps/v1": { from: "kubernetes-models/apps/v1", load: () => import("kubernetes-models/apps/v1") },
  "policy/v1": { from: "kubernetes-models/policy/v1", load: () => import("kubernetes-models/policy/v1") },
  "networking.k8s.io/v1": {
    from: "kubernetes-models/networking.k8s.io/v1",
    load: () => import("kubernetes-models/networking.k8s.io/v1"),
  },
  "rbac.authorization.k8s.io/v1": {
    from: "kubernetes-models/rbac.authorization.k8s.io/v1",
    load: () => import("kubernetes-models/rbac.authorization.k8s.io/v1"),
  },
  "serving.knative.dev/v1": {
    from: "@kubernetes-models/knative/serving.knative.dev/v1",
    load: () => import("@kubernetes-models/knative/serving.knative.dev/v1"),
  },
  "eventing.knative.dev/v1": {
    from: "@kubernetes-models/knative/eventing.knative.dev/v1",
    load: () => import("@kubernetes-models/knative/eventing.knative.dev/v1"),
  },
  "eventing.knative.dev/v1alpha1": {
    from: "@kubernetes-models/knative/eventing.knative.dev/v1alpha1",
    load: () => import("@kubernetes-models/knative/eventing.knative.dev/v1alpha1"),
  },
  "eventing.knative.dev/v1beta2": {
    from: "@kubernetes-models/knative/eventing.knative.dev/v1beta2",
    load: () => import("@kubernetes-models/knative/eventing.knative.dev/v1beta2"),
  },
  "sources.knative.dev/v1": {
    from: "@kubernetes-models/knative/sources.knative.dev/v1",
    load: () => import("@kubernetes-models/knative/sources.knative.dev/v1"),
  },
  "keda.sh/v1alpha1": {
    from: "@kubernetes-models/keda/keda.sh/v1alpha1",
    load: () => import("@kubernetes-models/keda/keda.sh/v1alpha1"),
  },
  "external-secrets.io/v1": { from: "" },
  "database.bizmatters.io/v1alpha1": { from: "" },
  "kustomize.config.k8s.io/v1beta1": { from: "" },
  "monitoring.coreos.com/v1": { from: "" },
};

/** SinkBinding's model wants the status that only the cluster writes. */
const complete = ({ kind, body }: Manifest): object =>
  kind === "SinkBinding" ? { ...body, status: {} } : body;

/** What the models' validators say: wrong types, wrong words, what is missing. Unknown fields pass them. */
export async function modelProblems(manifests: readonly Manifest[]): Promise<string[]> {
  const problems: string[] = [];
  for (const manifest of manifests) {
    const { file, apiVersion, kind, name } = manifest;
    const known = packages[apiVersion];
    if (!known) problems.push(`${file}: nothing here describes ${apiVersion}`);
    if (!known?.load) continue;
    const models = (await known.load()) as Record<string, Model>; // each export is a model's class
    const Model = models[kind];
    if (!Model) {
      problems.push(`${file}: ${apiVersion} has no ${kind}`);
      continue;
    }
    try {
      new Model(complete(manifest)).validate();
    } catch (error) {
      problems.push(`${file}: ${kind} ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return problems;
}

/**
 * Unknown fields, however deep: each manifest is written down as a constant of its model's type, and the compiler
 * refuses what the type does not know. One compilation for all; gives each manifest's problems in order.
 */
export async function typeProblems(manifests: readonly Manifest[]): Promise<string[][]> {
  const place = mkdtempSync(join(tmpdir(), "manifests-"));
  try {
    symlinkSync(join(root, "node_modules"), join(place, "node_modules"));
    manifests.forEach((manifest, i) => {
      const { apiVersion, kind } = manifest;
      const from = packages[apiVersion]?.from || join(root, "test/knative/own-models.ts");
      const lines = [`import type { I${kind} } from ${JSON.stringify(from)};`];
      lines.push(`export const it: I${kind} = ${JSON.stringify(complete(manifest), undefined, 2)};`);
      writeFileSync(join(place, `m${i}.ts`), lines.join("\n"));
    });
    const options = { module: "nodenext", target: "es2023", strict: true, skipLibCheck: true, noEmit: true };
    const compilerOptions = { ...options, types: [], allowImportingTsExtensions: true };
    writeFileSync(join(place, "package.json"), '{"type":"module"}');
    writeFileSync(join(place, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const { code, stdout, stderr } = await runCommand(
      process.execPath,
      [tsc, "--pretty", "false", "-p", place],
      {
        cwd: place,
      },
    );
    const problems: string[][] = manifests.map(() => []);
    for (const line of stdout.split("\n")) {
      const found = /^m(\d+)\.ts\(\d+,\d+\): error \w+: (.*)$/.exec(line);
      const manifest = manifests[Number(found?.[1])];
      if (manifest) problems[Number(found?.[1])]?.push(`${manifest.file}: ${manifest.kind}: ${found?.[2]}`);
    }
    // A compiler that did not run must not look like one that is content.
    if (code !== 0 && problems.flat().length === 0) throw new Error(`tsc: ${code}\n${stdout}\n${stderr}`);
    return problems;
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
