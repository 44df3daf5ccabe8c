import { describe, expect, it } from "vitest";
import { runCommand } from "../support/process.ts";
import { all, folder, type Manifest, parseManifests, readBundle } from "./manifests.ts";
import { isPinned } from "./pods.ts";

/** What `kubectl apply -k` would apply; undefined, and said in one line, where there is no kubectl. */
async function render(path: string): Promise<Manifest[] | undefined> {
  const { code, stdout, stderr } = await runCommand("kubectl", ["kustomize", path], { cwd: folder });
  if (code === null) {
    process.stdout.write(`kubectl is not here: knative/${path} is only read, not rendered\n`);
    return undefined;
  }
  expect(stderr.replaceAll(/^Warning:.*\n/gm, "")).toBe("");
  return parseManifests(`${path} rendered`, stdout);
}

const namesOf = (manifests: readonly Manifest[]) =>
  manifests.map(({ apiVersion, kind, name }) => `${apiVersion} ${kind} ${name}`).sort();

type Pods = { metadata: { namespace?: string }; spec: { template: { spec: { containers: Container[] } } } };
type Container = {
  image: string;
  env?: { name: string; value?: string }[];
  volumeMounts?: { name: string }[];
};
const containersOf = (manifests: readonly Manifest[]) =>
  [...all<Pods>(manifests, "Service", "serving"), ...all<Pods>(manifests, "Deployment")].flatMap(
    ({ spec }) => spec.template.spec.containers,
  );

describe("kubectl kustomize", () => {
  it.each(["", "keda"])("makes of knative/%s what its files say, in one namespace", async (path) => {
    const meant = readBundle(`${path || "."}/kustomization.yaml`);

    const rendered = await render(path || ".");
    if (!rendered) return expect(meant.length).toBeGreaterThan(8);

    expect(namesOf(rendered)).toEqual(namesOf(meant));
    const elsewhere = rendered.filter(
      ({ kind, body }) => kind !== "Namespace" && (body as Pods).metadata.namespace !== "agent-executor",
    );
    expect(elsewhere).toEqual([]);
    expect(containersOf(rendered).map(({ image }) => image)).toEqual([
      expect.stringMatching(/^registry\.example\.com\/agent-executor:\d+\.\d+\.\d+$/),
    ]);
  });

  it("makes an overlay for development that needs no Vault and stays in a namespace of its own", async () => {
    const rendered = await render("overlays/development");
    if (!rendered)
      return expect(readBundle("overlays/development/kustomization.yaml").length).toBeGreaterThan(20);

    const text = JSON.stringify(rendered.map(({ body }) => body));
    expect(text).not.toMatch(/VAULT|vault-token|"agent-executor"[^}]*"kind":"NetworkPolicy"/);
    expect(text).not.toContain('"namespace":"agent-executor"');
    const containers = containersOf(rendered);
    const service = containers.find(({ image }) => image.startsWith("dev.local/agent-executor:"));
    const env = new Map(service?.env?.map(({ name, value }) => [name, value]));
    expect(env.get("ALLOW_OFFLINE_MODELS")).toBe("true");
    expect(env.get("PG_HOST")).toBe("postgres");
    expect(service?.volumeMounts).toEqual([{ name: "tmp", mountPath: "/tmp" }]);
    expect(containers.map(({ image }) => image).filter((image) => !isPinned(image))).toEqual([]);
    expect(namesOf(rendered)).toContain("v1 Service postgres");
    expect(namesOf(rendered)).toContain("v1 Service redis");
  });
});
