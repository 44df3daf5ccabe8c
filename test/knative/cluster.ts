import type { IService } from "@kubernetes-models/knative/serving.knative.dev/v1";
import type { IDeployment } from "kubernetes-models/apps/v1";
import type { INetworkPolicy, INetworkPolicyPort } from "kubernetes-models/networking.k8s.io/v1";
import type { IPodDisruptionBudget } from "kubernetes-models/policy/v1";
import type { INamespace, IService as IPlainService, IServiceAccount } from "kubernetes-models/v1";
import { all, type Bundle, type Manifest } from "./manifests.ts";
import { check, isPinned, podProblems, setting } from "./pods.ts";

type Labels = Readonly<Record<string, string>>;

/** What Knative takes in a pod of its own; the rest its webhook refuses, unless somebody switched it on. */
const POD_FIELDS = new Set(
  `serviceAccountName automountServiceAccountToken enableServiceLinks imagePullSecrets containers volumes
  containerConcurrency timeoutSeconds responseStartTimeoutSeconds idleTimeoutSeconds`.split(/\s+/),
);
const CONTAINER_FIELDS = new Set(
  `name image imagePullPolicy command args workingDir env envFrom ports readinessProbe livenessProbe startupProbe
  resources securityContext volumeMounts terminationMessagePath terminationMessagePolicy`.split(/\s+/),
);

export function clusterProblems(bundle: Bundle): string[] {
  const accounts = all<IServiceAccount>(bundle, "ServiceAccount");
  const names = accounts.map(({ metadata }) => metadata?.name ?? "");
  const mounting = accounts.filter((each) => each.automountServiceAccountToken !== false);
  return [
    ...mounting.map(({ metadata }) => `ServiceAccount ${metadata?.name}: its token would be mounted`),
    ...duplicateProblems(bundle),
    ...bundle.flatMap((manifest) => referenceProblems(manifest, bundle)),
    ...bundle.flatMap(imagesProblems),
    ...namespaceProblems(bundle),
    ...all<IService>(bundle, "Service", "serving").flatMap((each) => knativeServiceProblems(each, names)),
    ...all<IDeployment>(bundle, "Deployment").flatMap((each) => deploymentProblems(each, bundle, names)),
    ...all<IPodDisruptionBudget>(bundle, "PodDisruptionBudget").flatMap((each) =>
      budgetProblems(each, bundle),
    ),
    ...all<INetworkPolicy>(bundle, "NetworkPolicy").flatMap((each) => policyProblems(each, bundle)),
  ];
}

function duplicateProblems(bundle: Bundle): string[] {
  const keys = bundle.map(({ apiVersion, kind, name }) => `${apiVersion} ${kind} ${name}`);
  return keys.filter((key, i) => keys.indexOf(key) !== i).map((key) => `${key} is there twice`);
}

/** Whatever names another object by apiVersion, kind and name must name one that is there. */
function referenceProblems({ file, body }: Manifest, bundle: Bundle): string[] {
  const problems: string[] = [];
  visit(body, (node) => {
    const { apiVersion, kind, name } = node;
    if (typeof apiVersion !== "string" || typeof name !== "string") return;
    const known = bundle.some((it) => it.apiVersion === apiVersion && it.kind === kind && it.name === name);
    if (!known) problems.push(`${file}: there is no ${apiVersion} ${kind} ${name}`);
  });
  return problems;
}

function imagesProblems({ file, body }: Manifest): string[] {
  const problems: string[] = [];
  visit(body, ({ image }) => {
    if (typeof image === "string" && !isPinned(image)) problems.push(`${file}: image ${image} may change`);
  });
  return problems;
}

function visit(node: unknown, look: (node: Record<string, unknown>) => void): void {
  if (typeof node !== "object" || node === null) return;
  look(node as Record<string, unknown>); // an object of a YAML file: its keys are texts
  for (const inner of Object.values(node)) visit(inner, look);
}

function namespaceProblems(bundle: Bundle): string[] {
  const included = all<INamespace>(bundle, "Namespace").every(
    ({ metadata }) => metadata?.labels?.["bindings.knative.dev/include"] === "true",
  );
  return check(
    included || all(bundle, "SinkBinding").length === 0,
    "Namespace: its SinkBinding would do nothing",
  );
}

function knativeServiceProblems({ metadata, spec }: IService, accounts: readonly string[]): string[] {
  const { metadata: meta, spec: pod } = spec?.template ?? {};
  const container = pod?.containers[0];
  if (!pod || !container) return ["the Knative service has no pod"];
  const places = Number(setting(container, "MAX_CONCURRENT_RUNS"));
  const longest = Number(setting(container, "RUN_MAX_SECONDS"));
  const { containerConcurrency, timeoutSeconds = 300, responseStartTimeoutSeconds } = pod;
  const scale = meta?.annotations ?? {};
  const odd = [
    ...Object.keys(pod).filter((name) => !POD_FIELDS.has(name)),
    ...Object.keys(container).filter((name) => !CONTAINER_FIELDS.has(name)),
  ];
  return [
    ...podProblems(pod, accounts),
    ...odd.map((name) => `Knative takes no ${name} in its pods`),
    ...check(meta?.name === undefined, "a revision with a name of its own refuses the SinkBinding's change"),
    ...check(
      metadata?.labels?.["networking.knative.dev/visibility"] === "cluster-local",
      "it would be public",
    ),
    ...check(containerConcurrency === places + 5, "a cancel must get in: MAX_CONCURRENT_RUNS and 5 more"),
    ...check(
      timeoutSeconds === 600 && longest < timeoutSeconds,
      "a run must end by its own limit, within 600 s",
    ),
    ...check(responseStartTimeoutSeconds === timeoutSeconds, "the first byte would be due after 300 s"),
    ...check(
      ["", "http1", "h2c"].includes(container.ports?.[0]?.name ?? ""),
      "Knative knows no such port name",
    ),
    ...check(scale["autoscaling.knative.dev/max-scale"] === "10", "the number of pods needs a limit"),
    ...check(scale["autoscaling.knative.dev/metric"] === "concurrency", "it must scale by what is at work"),
    ...check("autoscaling.knative.dev/min-scale" in scale, "whether it scales to zero must be said"),
  ];
}

function deploymentProblems(
  { metadata, spec }: IDeployment,
  bundle: Bundle,
  accounts: readonly string[],
): string[] {
  const pod = spec?.template.spec;
  const labels: Labels = spec?.template.metadata?.labels ?? {};
  const selects = (by: Labels = {}) => Object.entries(by).every(([name, value]) => labels[name] === value);
  const services = all<IPlainService>(bundle, "Service", "v1").filter(
    (each) => each.spec && selects(each.spec.selector),
  );
  const ports = pod?.containers.flatMap((each) => each.ports ?? []) ?? [];
  const targets = services.flatMap((each) => each.spec?.ports ?? []).map(({ targetPort }) => targetPort);
  const name = metadata?.name;
  const shared = [
    ...check(selects(spec?.selector.matchLabels), `Deployment ${name}: its selector misses its pods`),
    ...check(services.length === 1, `Deployment ${name}: ${services.length} Services`),
    ...targets.flatMap((to) =>
      check(
        ports.some((port) => port.name === to || port.containerPort === to),
        `Service ${name}: no port ${to}`,
      ),
    ),
  ];
  const isOurs = pod?.containers[0]?.image?.startsWith("agent-executor:");
  if (!pod || !isOurs) return shared;
  const { terminationGracePeriodSeconds: grace = 30, containers } = pod;
  const pause = containers[0]?.lifecycle?.preStop?.sleep?.seconds ?? 0;
  // main.ts ends the process 3 s after the runs' grace at the latest.
  const needed = pause + Number(setting(containers[0], "SHUTDOWN_GRACE_SECONDS")) + 3;
  return [
    ...shared,
    ...podProblems(pod, accounts),
    ...check(spec.replicas === undefined, "KEDA owns the number of pods: leave replicas out"),
    ...check(pause >= 3, "the endpoints need some seconds to forget a pod: preStop"),
    ...check(grace > needed, `a busy pod needs ${needed} s to hand over, it gets ${grace}`),
  ];
}

/** How the pods of the service are told from others. */
function podLabels(bundle: Bundle): Labels {
  const [service] = all<IService>(bundle, "Service", "serving");
  const name = service?.metadata?.name;
  if (name) return { "serving.knative.dev/service": name };
  const [deployment] = all<IDeployment>(bundle, "Deployment");
  return deployment?.spec?.template.metadata?.labels ?? {};
}

const sameLabels = (a: Labels | undefined, b: Labels) => JSON.stringify(a) === JSON.stringify(b);

function budgetProblems({ spec }: IPodDisruptionBudget, bundle: Bundle): string[] {
  return [
    ...check(
      sameLabels(spec?.selector?.matchLabels, podLabels(bundle)),
      "PodDisruptionBudget: not these pods",
    ),
    ...check(
      spec?.maxUnavailable === 1 && spec.minAvailable === undefined,
      "PodDisruptionBudget: minAvailable keeps the node of a single pod from being drained",
    ),
  ];
}

function policyProblems({ spec }: INetworkPolicy, bundle: Bundle): string[] {
  const isKnative = all(bundle, "Service", "serving").length > 0;
  const open = (rules: readonly { ports?: INetworkPolicyPort[] }[] = []) =>
    new Set(rules.flatMap(({ ports = [] }) => ports.map(({ protocol, port }) => `${protocol} ${port}`)));
  const miss = (what: string, has: Set<string>, ports: string[]) =>
    ports.filter((port) => !has.has(port)).map((port) => `NetworkPolicy: ${what} ${port} is closed`);
  const queueProxy = ["TCP 8012", "TCP 8013", "TCP 8112", "TCP 8022", "TCP 9090", "TCP 9091"];
  const egress = ["UDP 53", "TCP 53", "TCP 8200", "TCP 5432", "TCP 6379", "TCP 443", "TCP 4317", "TCP 4318"];
  const results = isKnative ? ["TCP 80", "TCP 8080", "TCP 8443"] : ["TCP 4222"];
  const anywhere = (spec?.egress ?? []).flatMap(({ to = [] }) => to.flatMap(({ ipBlock }) => ipBlock ?? []));
  const metadataIsShut = anywhere.every(({ except = [] }) =>
    ["10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"].every((net) => except.includes(net)),
  );
  return [
    ...check(sameLabels(spec?.podSelector?.matchLabels, podLabels(bundle)), "NetworkPolicy: not these pods"),
    ...check(spec?.policyTypes?.join() === "Ingress,Egress", "NetworkPolicy: it must be for both ways"),
    ...miss("ingress", open(spec?.ingress), isKnative ? ["TCP 8080", ...queueProxy] : ["TCP 8080"]),
    ...miss("egress", open(spec?.egress), [...egress, ...results]),
    ...check(metadataIsShut, "NetworkPolicy: private addresses and the cloud's metadata must stay shut"),
    ...(spec?.egress ?? []).flatMap(({ to, ports }) =>
      check(!!to?.length && !!ports?.length, "NetworkPolicy: an egress rule that opens everything"),
    ),
  ];
}
