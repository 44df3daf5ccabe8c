import { randomBytes, randomUUID } from "node:crypto";

/** What the double says: a status, and a body in Vault's envelope. */
export type VaultReply = { status: number; body?: unknown; headers?: Record<string, string> };

export const refuse = (status: number, ...errors: string[]): VaultReply => ({ status, body: { errors } });

export function envelope(parts: Record<string, unknown>): VaultReply {
  const empty = { lease_id: "", renewable: false, lease_duration: 0, data: null };
  const rest = { wrap_info: null, warnings: null, auth: null };
  return { status: 200, body: { request_id: randomUUID(), ...empty, ...rest, ...parts } };
}

export const newToken = () => `hvs.${randomBytes(24).toString("base64url")}`;

export function authOf(token: string, seconds: number, renewable: boolean): Record<string, unknown> {
  const policies = ["agent-executor", "default"];
  return {
    client_token: token,
    accessor: randomBytes(12).toString("base64url"),
    policies,
    token_policies: policies,
    metadata: {
      role: "agent-executor",
      service_account_name: "agent-executor",
      service_account_namespace: "agents",
      service_account_secret_name: "",
      service_account_uid: randomUUID(),
    },
    lease_duration: seconds,
    renewable,
    entity_id: randomUUID(),
    token_type: "service",
    orphan: true,
    mfa_requirement: null,
    num_uses: 0,
  };
}

export function kvAnswer(data: unknown, version: number, createdAt: Date, deletedAt?: Date): VaultReply {
  const metadata = {
    created_time: createdAt.toISOString(),
    custom_metadata: null,
    deletion_time: deletedAt?.toISOString() ?? "",
    destroyed: false,
    version,
  };
  const answer = envelope({ data: { data: deletedAt ? null : data, metadata } });
  return deletedAt ? { ...answer, status: 404 } : answer;
}

/** By state, as /v1/sys/health tells it. */
export function healthAnswer(state: "active" | "standby" | "sealed"): VaultReply {
  const status = { active: 200, standby: 429, sealed: 503 }[state];
  const body = {
    initialized: true,
    sealed: state === "sealed",
    standby: state !== "active",
    performance_standby: false,
    server_time_utc: Math.floor(Date.now() / 1000),
    version: "1.19.0",
  };
  return { status, body };
}
