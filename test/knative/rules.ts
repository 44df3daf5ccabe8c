import { clusterProblems } from "./cluster.ts";
import { eventingProblems } from "./eventing.ts";
import { kedaProblems } from "./keda.ts";
import type { Bundle } from "./manifests.ts";

/** All that must hold between the manifests that are applied together, and between them and the code. */
export function problemsOf(bundle: Bundle): string[] {
  const hasBroker = bundle.some(({ kind }) => kind === "Broker");
  return [
    ...clusterProblems(bundle),
    ...(hasBroker ? eventingProblems(bundle) : []),
    ...kedaProblems(bundle),
  ];
}
