type Metadata = { name: string; namespace?: string; labels?: Record<string, string> };

/** What no package describes in the version that is served today; as far as we use it. */
export interface IExternalSecret {
  apiVersion: "external-secrets.io/v1";
  kind: "ExternalSecret";
  metadata: Metadata;
  spec: {
    refreshInterval: string;
    secretStoreRef: { kind: "SecretStore" | "ClusterSecretStore"; name: string };
    target: { name: string; creationPolicy: "Owner" | "Merge" | "Orphan" | "None" };
    data: { secretKey: string; remoteRef: { key: string; property?: string; version?: string } }[];
  };
}

type Size = "small" | "medium" | "large";
type ConnectionSecret = { name: string; namespace: string };

export interface IPostgresInstance {
  apiVersion: "database.bizmatters.io/v1alpha1";
  kind: "PostgresInstance";
  metadata: Metadata;
  spec: { size: Size; version: string; storageGB: number; writeConnectionSecretToRef: ConnectionSecret };
}

export interface IDragonflyInstance {
  apiVersion: "database.bizmatters.io/v1alpha1";
  kind: "DragonflyInstance";
  metadata: Metadata;
  spec: { size: Size; storageGB: number; writeConnectionSecretToRef: ConnectionSecret };
}

export interface IKustomization {
  apiVersion: "kustomize.config.k8s.io/v1beta1";
  kind: "Kustomization";
  namespace?: string;
  images?: { name: string; newName?: string; newTag?: string; digest?: string }[];
  resources: string[];
  configMapGenerator?: {
    name: string;
    files: string[];
    options?: { disableNameSuffixHash?: boolean; labels?: Record<string, string> };
  }[];
  patches?: {
    path?: string;
    patch?: string;
    target: { group?: string; version?: string; kind: string; name: string };
  }[];
}

export interface IPodMonitor {
  apiVersion: "monitoring.coreos.com/v1";
  kind: "PodMonitor";
  metadata: Metadata;
  spec: {
    selector: { matchLabels: Record<string, string> };
    podMetricsEndpoints: { portNumber: number; path: string; interval: string }[];
  };
}

export interface IPrometheusRule {
  apiVersion: "monitoring.coreos.com/v1";
  kind: "PrometheusRule";
  metadata: Metadata;
  spec: {
    groups: {
      name: string;
      rules: {
        alert: string;
        expr: string;
        for?: string;
        labels: { severity: "info" | "warning" | "critical" };
        annotations: Record<string, string>;
      }[];
    }[];
  };
}
