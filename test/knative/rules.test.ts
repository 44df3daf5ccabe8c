import { basename } from "node:path";
import { describe, expect, it } from "vitest";
import { takenTypes } from "./eventing.ts";
import { kedaBundle, knativeBundle, type Manifest, readText, yamlFiles } from "./manifests.ts";
import { change } from "./mutations.ts";
import { problemsOf } from "./rules.ts";

const CONTAINER = "spec/template/spec/containers/0";
const TYPE = "spec/filter/attributes/type";
const execute = "dev.my-platform.agent.execute";

type Break = (bundle: Manifest[]) => void;
const set =
  (kind: string, path: string, value: unknown, name?: string): Break =>
  (bundle) =>
    change(bundle, kind, path, value, name);
const drop =
  (kind: string, name: string): Break =>
  (bundle) => {
    const at = bundle.findIndex((each) => each.kind === kind && each.name === name);
    if (at < 0) throw new Error(`there is no ${kind} ${name}`);
    bundle.splice(at, 1);
  };
const addEnv = (kind: string, env: object): Break => set(kind, `${CONTAINER}/env/-`, env);

describe("the manifests for Knative", () => {
  it("fit each other and the code", () => {
    expect(problemsOf(knativeBundle())).toEqual([]);
    expect(takenTypes()).toEqual(
      ["cancel", "execute", "resume"].map((verb) => `dev.my-platform.agent.${verb}`),
    );
  });

  // Each is a mistake that a cluster would take, or would only tell of when it is too late.
  it.each<[string, Break, RegExp]>([
    ["a Trigger without a filter", set("Trigger", "spec/filter", undefined), /every result would come back/],
    ["a Trigger on a result", set("Trigger", TYPE, `${execute.slice(0, -7)}completed`), /a loop/],
    ["a Trigger on a type nobody takes", set("Trigger", TYPE, `${execute}d`), /does not take/],
    ["no Trigger for cancels", drop("Trigger", "agent-executor-cancel"), /0 Triggers for .*cancel/],
    ["no Trigger for decisions", drop("Trigger", "agent-executor-resume"), /0 Triggers for .*resume/],
    ["a Trigger without a broker", set("Trigger", "spec/broker", undefined), /needs a broker/],
    [
      "a subscriber of another name",
      set("Trigger", "spec/subscriber/ref/name", "agents"),
      /no serving.* agents/,
    ],
    ["a Trigger that gives up early", set("Trigger", "spec/delivery/timeout", "PT30S"), /wait as long/],
    ["a Trigger without retries", set("Trigger", "spec/delivery/retry", 0), /outlast/],
    ["dead letters to nowhere", drop("Broker", "agent-executor-dead-letters"), /no eventing.*dead-letters/],
    ["a missing type of event", drop("EventType", "agent-executor-interrupted"), /EventTypes are/],
    [
      "an override of a core attribute",
      set("SinkBinding", "spec/ceOverrides/extensions/source", "me"),
      /overridden/,
    ],
    ["results to another broker", set("SinkBinding", "spec/sink/ref/name", "default"), /another broker/],
    ["no label that lets it bind", set("Namespace", "metadata/labels", {}), /do nothing/],
    ["a ping that nobody gets", set("PingSource", "spec/sink/ref/name", "agents"), /there is no serving/],
    ["a ping once a day", set("PingSource", "spec/schedule", "0 0 * * *"), /every few minutes/],
    ["PORT set by hand", addEnv("Service", { name: "PORT", value: "8080" }), /PORT is Knative's/],
    ["K_SINK set by hand", addEnv("Service", { name: "K_SINK", value: "http://x" }), /K_SINK is Knative's/],
    ["a variable with a slip", addEnv("Service", { name: "MAX_CONCURENT_RUNS", value: "1" }), /no variable/],
    [
      "a value out of range",
      addEnv("Service", { name: "RUN_LEASE_SECONDS", value: "1" }),
      /RUN_LEASE_SECONDS/,
    ],
    ["all keys of a Secret", set("Service", `${CONTAINER}/envFrom`, []), /overwrite each other/],
    ["the tag latest", set("Service", `${CONTAINER}/image`, "agent-executor:latest"), /may change/],
    [
      "an image of another version",
      set("Service", `${CONTAINER}/image`, "agent-executor:9.9.9"),
      /this version/,
    ],
    ["no places for cancels", set("Service", "spec/template/spec/containerConcurrency", 32), /must get in/],
    ["runs longer than Knative waits", addEnv("Service", { name: "RUN_MAX_SECONDS", value: "900" }), /twice/],
    [
      "Knative's own time limit",
      set("Service", "spec/template/spec/timeoutSeconds", undefined),
      /within 600/,
    ],
    [
      "its limit for the first byte",
      set("Service", "spec/template/spec/responseStartTimeoutSeconds", 300),
      /300 s/,
    ],
    ["a field Knative refuses", set("Service", "spec/template/spec/nodeSelector", {}), /no nodeSelector/],
    ["a preStop that Knative refuses", set("Service", `${CONTAINER}/lifecycle`, {}), /no lifecycle/],
    ["a named revision", set("Service", "spec/template/metadata/name", "agent-executor-1"), /SinkBinding/],
    ["a probe of no path", set("Service", `${CONTAINER}/readinessProbe/httpGet/path`, "/healthz"), /no path/],
    ["no resources", set("Service", `${CONTAINER}/resources`, {}), /requests and limits/],
    [
      "another user than the image's",
      set("Service", `${CONTAINER}/securityContext/runAsUser`, 1000),
      /image's user/,
    ],
    [
      "a writable root",
      set("Service", `${CONTAINER}/securityContext/readOnlyRootFilesystem`, false),
      /read-only/,
    ],
    [
      "no place for temporary files",
      set("Service", `${CONTAINER}/volumeMounts/0`, undefined),
      /not mounted|writable/,
    ],
    ["a token elsewhere", set("Service", `${CONTAINER}/volumeMounts/1/mountPath`, "/vault"), /no token at/],
    ["an account that is not there", set("ServiceAccount", "metadata/name", "x"), /./],
    [
      "the API's token mounted",
      set("ServiceAccount", "automountServiceAccountToken", true),
      /would be mounted/,
    ],
    [
      "a closed queue-proxy",
      set("NetworkPolicy", "spec/ingress/0/ports", [{ protocol: "TCP", port: 8080 }]),
      /8012/,
    ],
    [
      "the cloud's metadata open",
      set("NetworkPolicy", "spec/egress/5/to/0/ipBlock/except", []),
      /must stay shut/,
    ],
    ["a budget that blocks drains", set("PodDisruptionBudget", "spec/minAvailable", 1), /drained/],
    [
      "a budget for other pods",
      set("PodDisruptionBudget", "spec/selector/matchLabels", { app: "x" }),
      /not these/,
    ],
  ])("are refused with %s", (_what, breakIt, problem) => {
    const bundle = knativeBundle();

    breakIt(bundle);
    rename(bundle);

    expect(problemsOf(bundle).join("\n")).toMatch(problem);
  });
});

describe("the manifests for KEDA", () => {
  it("fit each other and the code", () => {
    expect(problemsOf(kedaBundle())).toEqual([]);
  });

  it.each<[string, Break, RegExp]>([
    [
      "another consumer",
      set("ScaledObject", "spec/triggers/0/metadata/consumer", "workers"),
      /another consumer/,
    ],
    ["another stream", set("ScaledObject", "spec/triggers/0/metadata/stream", "JOBS"), /another stream/],
    [
      "a lag without what is at work",
      set("Deployment", `${CONTAINER}/env/7/value`, "stored"),
      /only with NATS_ACK=outcome/,
    ],
    ["a parameter KEDA ignores", set("ScaledObject", "spec/triggers/0/metadata/lag", "5"), /knows no lag/],
    [
      "a Knative service as target",
      set("ScaledObject", "spec/scaleTargetRef/kind", "Service"),
      /Knative scales/,
    ],
    ["scaling to zero", set("ScaledObject", "spec/minReplicaCount", 0), /1 to 10/],
    ["no one to ask for the lag", drop("TriggerAuthentication", "agent-executor-nats"), /no TriggerAuth/],
    ["the wrong account", set("ConfigMap", "data/account", "$SYS"), /account is "\$SYS"/],
    ["a fixed number of pods", set("Deployment", "spec/replicas", 2), /leave replicas out/],
    [
      "too short a grace",
      set("Deployment", "spec/template/spec/terminationGracePeriodSeconds", 30),
      /gets 30/,
    ],
    ["no pause before the end", set("Deployment", `${CONTAINER}/lifecycle`, undefined), /preStop/],
    ["a Service for other pods", set("Service", "spec/selector", { app: "x" }), /0 Services/],
    ["a Service on another port", set("Service", "spec/ports/0/targetPort", 3000), /no port 3000/],
    ["NATS shut off", set("NetworkPolicy", "spec/egress/3/ports/0/port", 4223), /4222 is closed/],
  ])("are refused with %s", (_what, breakIt, problem) => {
    const bundle = kedaBundle();

    breakIt(bundle);

    expect(problemsOf(bundle).join("\n")).toMatch(problem);
  });
});

describe("the overlay for development", () => {
  it("adds nothing whose image may change", () => {
    const development = ["overlays/development/postgres.yaml", "overlays/development/redis.yaml"];

    for (const file of development) expect(readText(file)).toMatch(/image: \w+:\d+\.\d+/);
  });
});

describe("the kustomizations", () => {
  it("forget no file: each is a resource, a patch, or an option with a line to uncomment", () => {
    const texts = yamlFiles()
      .filter((file) => basename(file) === "kustomization.yaml")
      .map(readText)
      .join("\n");

    const forgotten = yamlFiles().filter(
      (file) => basename(file) !== "kustomization.yaml" && !texts.includes(basename(file)),
    );

    expect(forgotten).toEqual([]);
  });
});

/** A manifest's name is read once, when its file is. */
function rename(bundle: readonly Manifest[]): void {
  for (const each of bundle) each.name = (each.body as { metadata: { name: string } }).metadata.name; // all have one
}
