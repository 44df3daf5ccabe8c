import type { IContainer, IPodSpec, IVolume } from "kubernetes-models/v1";
import packageFile from "../../package.json" with { type: "json" };
import { variables } from "../../src/config/variables.ts";
import { readConfig } from "../../src/config.ts";
import { openApiDocument } from "../../src/http/openapi.ts";

/** Knative sets these itself, and refuses a manifest that does. */
const KNATIVES = /^(PORT|K_\w+)$/;
const ours = new Set([...variables.map(({ name }) => name)]);
const paths = Object.keys(openApiDocument()["paths"] as object); // OpenAPI has them under this name

/** What must hold for a pod that runs the service, wherever it runs; one line for each thing that does not. */
export function podProblems(pod: IPodSpec, accounts: readonly string[]): string[] {
  const [container, ...others] = pod.containers;
  if (!container || others.length > 0) return ["there must be one container"];
  return [
    ...check(accounts.includes(pod.serviceAccountName ?? ""), `no account ${pod.serviceAccountName} here`),
    ...check(pod.automountServiceAccountToken === false, "the API's token must not be mounted"),
    ...check(pod.enableServiceLinks === false, "service links would set REDIS_PORT and the like"),
    ...imageProblems(container.image ?? ""),
    ...environmentProblems(container),
    ...probeProblems(container),
    ...securityProblems(pod, container),
    ...volumeProblems(pod.volumes ?? [], container),
    ...resourceProblems(container),
  ];
}

export const check = (holds: boolean, problem: string): string[] => (holds ? [] : [problem]);

/** A variable's value: as the manifest has it, or its default. */
export function setting(container: IContainer | undefined, name: string): string {
  const given = container?.env?.find((each) => each.name === name)?.value;
  return given ?? String(variables.find((row) => row.name === name)?.default ?? "");
}

function imageProblems(image: string): string[] {
  return check(image === `agent-executor:${packageFile.version}`, `image ${image} is not this version's`);
}

/** Which images anything may run: those that cannot change under their name by tomorrow. */
export function isPinned(image: string): boolean {
  return /@sha256:[\da-f]{64}$/.test(image) || /:v?\d+\.\d+(\.\d+)?[\w.-]*$/.test(image);
}

function environmentProblems({ env = [], envFrom }: IContainer): string[] {
  const names = env.map(({ name }) => name);
  const twice = names.filter((name, i) => names.indexOf(name) !== i);
  const given = env.map(({ name, value }) => [name, value ?? (name.endsWith("_PORT") ? "5432" : "given")]);
  return [
    ...names.filter((name) => KNATIVES.test(name)).map((name) => `${name} is Knative's to set`),
    ...names
      .filter((name) => !ours.has(name) && !KNATIVES.test(name))
      .map((name) => `${name} is no variable`),
    ...twice.map((name) => `${name} is set twice`),
    ...check(
      envFrom === undefined,
      "envFrom: two Secrets with a key of the same name would overwrite each other",
    ),
    ...configProblems(Object.fromEntries(given)),
  ];
}

/** The service itself reads what the manifest gives it. */
function configProblems(env: Record<string, string>): string[] {
  try {
    readConfig({ K_SERVICE: "agent-executor", PG_HOST: "given", REDIS_HOST: "given", ...env });
    return [];
  } catch (error) {
    return [String(error)];
  }
}

function probeProblems({ readinessProbe, livenessProbe, ports = [] }: IContainer): string[] {
  const [port] = ports;
  const isServed = (path = "") => paths.includes(path);
  const isPort = (to: string | number | undefined) => to === port?.containerPort || to === port?.name;
  return [
    ...check(ports.length === 1 && port?.containerPort === 8080, "there must be one port, 8080"),
    ...check(readinessProbe?.httpGet?.path === "/ready", "readiness must ask /ready"),
    ...check(livenessProbe?.httpGet?.path === "/health", "liveness must ask /health"),
    ...[readinessProbe, livenessProbe].flatMap((probe) => [
      ...check(isServed(probe?.httpGet?.path), `the service has no path ${probe?.httpGet?.path}`),
      ...check(isPort(probe?.httpGet?.port), `the container has no port ${probe?.httpGet?.port}`),
      ...check(
        (probe?.timeoutSeconds ?? 1) >= 3,
        "a probe must outlast the second that /ready takes at most",
      ),
    ]),
  ];
}

function securityProblems(pod: IPodSpec, { securityContext: own = {} }: IContainer): string[] {
  const both = { ...pod.securityContext, ...own };
  return [
    ...check(both.runAsNonRoot === true, "it must not run as root"),
    ...check(both.runAsUser === 65_532, "it must run as the image's user, or the compile cache is not used"),
    ...check(both.seccompProfile?.type === "RuntimeDefault", "it needs the runtime's seccomp profile"),
    ...check(own.readOnlyRootFilesystem === true, "the root file system must be read-only"),
    ...check(own.allowPrivilegeEscalation === false, "it must not gain privileges"),
    ...check(own.capabilities?.drop?.join() === "ALL", "it needs no capabilities"),
  ];
}

function volumeProblems(volumes: readonly IVolume[], container: IContainer): string[] {
  const mounts = container.volumeMounts ?? [];
  const vault = volumes.find(({ projected }) => projected);
  const token = vault?.projected?.sources?.find((source) => source.serviceAccountToken)?.serviceAccountToken;
  const mount = mounts.find(({ name }) => name === vault?.name);
  const path = setting(container, "VAULT_JWT_PATH");
  const scratch = mounts.find(({ mountPath }) => mountPath === "/tmp")?.name;
  return [
    ...volumes.flatMap(({ name }) =>
      check(
        mounts.some((it) => it.name === name),
        `volume ${name} is not mounted`,
      ),
    ),
    ...mounts.flatMap(({ name }) =>
      check(
        volumes.some((it) => it.name === name),
        `there is no volume ${name}`,
      ),
    ),
    ...check(!!volumes.find(({ name }) => name === scratch)?.emptyDir, "/tmp must be writable"),
    ...check(path === "" || path === `${mount?.mountPath}/${token?.path}`, `no token at ${path}`),
    ...check(path === "" || token?.audience === "vault", "the token must be for Vault alone"),
  ];
}

function resourceProblems({ resources = {} }: IContainer): string[] {
  const has = (part: Readonly<Record<string, unknown>> = {}) => part["cpu"] && part["memory"];
  return check(
    !!has(resources.requests) && !!has(resources.limits),
    "CPU and memory need requests and limits",
  );
}
