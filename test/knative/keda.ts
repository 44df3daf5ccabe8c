import type { IScaledObject, ITriggerAuthentication } from "@kubernetes-models/keda/keda.sh/v1alpha1";
import type { IDeployment } from "kubernetes-models/apps/v1";
import type { IConfigMap } from "kubernetes-models/v1";
import { all, type Bundle } from "./manifests.ts";
import { check, setting } from "./pods.ts";

/** What KEDA reads of a nats-jetstream trigger, in its metadata or by its authentication. */
const PARAMETERS = new Set(
  "natsServerMonitoringEndpoint account stream consumer lagThreshold activationLagThreshold useHttps".split(
    " ",
  ),
);

export function kedaProblems(bundle: Bundle): string[] {
  return all<IScaledObject>(bundle, "ScaledObject").flatMap((each) => scaledObjectProblems(each, bundle));
}

function scaledObjectProblems({ spec }: IScaledObject, bundle: Bundle): string[] {
  const deployments = all<IDeployment>(bundle, "Deployment");
  const target = deployments.find(({ metadata }) => metadata?.name === spec?.scaleTargetRef.name);
  const { kind, apiVersion } = spec?.scaleTargetRef ?? {};
  const trigger = spec?.triggers.find(({ type }) => type === "nats-jetstream");
  if (!spec || !trigger) return ["ScaledObject: it must scale by the lag of JetStream"];
  const { metadata: given, authenticationRef } = trigger;
  const container = target?.spec?.template.spec?.containers[0];
  const looked = authentication(bundle, authenticationRef?.name);
  const calm =
    spec.advanced?.horizontalPodAutoscalerConfig?.behavior?.scaleDown?.stabilizationWindowSeconds ?? 0;
  const names = [...Object.keys(given), ...looked.parameters];
  return [
    ...check(!!target, "ScaledObject: there is no such Deployment"),
    ...check(!kind && !apiVersion, "ScaledObject: only a Deployment may be scaled; Knative scales its own"),
    ...check(spec.minReplicaCount === 1 && spec.maxReplicaCount === 10, "ScaledObject: 1 to 10 pods"),
    ...check(given["lagThreshold"] === "5", "ScaledObject: a pod for 5 messages"),
    ...check(calm >= 60, "ScaledObject: a short lull must not stop busy pods"),
    ...check(given["stream"] === setting(container, "NATS_STREAM_NAME"), "ScaledObject: another stream"),
    ...check(
      given["consumer"] === setting(container, "NATS_CONSUMER_GROUP"),
      "ScaledObject: another consumer",
    ),
    ...check(
      setting(container, "NATS_ACK") === "outcome",
      "ScaledObject: the lag counts runs at work only with NATS_ACK=outcome",
    ),
    ...names.filter((name) => !PARAMETERS.has(name)).map((name) => `ScaledObject: KEDA knows no ${name}`),
    ...check(
      names.includes("account") && names.includes("natsServerMonitoringEndpoint"),
      "ScaledObject: no server",
    ),
    ...looked.problems,
  ];
}

/** Where the trigger's other parameters come from; each key must be there. */
function authentication(bundle: Bundle, name: string | undefined) {
  const found = all<ITriggerAuthentication>(bundle, "TriggerAuthentication").find(
    ({ metadata }) => metadata?.name === name,
  );
  if (!found) return { parameters: [], problems: [`ScaledObject: no TriggerAuthentication ${name}`] };
  const refs = found.spec.configMapTargetRef ?? [];
  const maps = all<IConfigMap>(bundle, "ConfigMap");
  const entryOf = (map: string, key: string) => maps.find((it) => it.metadata?.name === map)?.data?.[key];
  const problems = refs.flatMap(({ parameter, name: map, key }) => {
    const value = entryOf(map, key) ?? "";
    if (parameter === "account")
      return check(value === "$G", `TriggerAuthentication: the account is "${value}"`);
    return check(
      /^[\w.-]+:\d+$/.test(value),
      `TriggerAuthentication: ${map} has no host and port under ${key}`,
    );
  });
  return { parameters: refs.map(({ parameter }) => parameter), problems };
}
