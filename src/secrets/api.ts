import { VaultFailure } from "./failure.ts";
import { openTransport, type TransportOptions } from "./transport.ts";

export type ApiOptions = Omit<TransportOptions, "timeoutMs"> & {
  address: string;
  namespace: string | undefined;
  authMount: string;
  timeoutMs?: number;
};

/** A token as a login or a renewal gives it. */
export type Grant = { token: string; leaseSeconds: number; renewable: boolean };
/** What a path holds, in Vault's envelope. */
export type Envelope = { leaseId: string; leaseSeconds: number; renewable: boolean; data: unknown };

/** The calls that we make, each with the token it is given and no other. */
export type VaultApi = {
  login(role: string, jwt: string): Promise<Grant>;
  renew(token: string): Promise<Grant>;
  revoke(token: string): Promise<void>;
  read(token: string, path: string): Promise<Envelope>;
  renewLease(token: string, leaseId: string): Promise<Envelope>;
};

const TIMEOUT_MS = 5000;

/**
 * Vault by node-vault, with what we measured of it kept in check: it takes VAULT_TOKEN, VAULT_PREFIX and
 * VAULT_NAMESPACE out of the environment, sends a stale token along with a login, prints requests when
 * DEBUG is set, and follows redirects with the token. See docs/adr/0011-vault.md.
 */
export async function openApi(options: ApiOptions): Promise<VaultApi> {
  const { default: nodeVault } = await import("node-vault");
  const transport = openTransport({ ca: options.ca, timeoutMs: options.timeoutMs ?? TIMEOUT_MS });
  const clientFor = (token: string) => {
    const client = nodeVault({
      apiVersion: "v1",
      endpoint: options.address,
      debug: () => undefined,
      // Its seam for another HTTP client; ours throws at all but 200 and 204.
      "request-promise": { defaults: () => transport },
    });
    const { namespace = "" } = options;
    return Object.assign(client, { token, namespace, pathPrefix: "" });
  };
  return {
    // Without the mount the path would be /v1/auth//login.
    login: async (role, jwt) => {
      const at = { role, jwt, mount_point: options.authMount };
      const grant = grantIn(await clientFor("").kubernetesLogin(at));
      // 0 is a token that never ends; at a renewal it is one that does now.
      return grant.leaseSeconds > 0 ? grant : { ...grant, leaseSeconds: FOREVER_SECONDS };
    },
    renew: async (token) => grantIn(await clientFor(token).tokenRenewSelf()),
    revoke: async (token) => void (await clientFor(token).tokenRevokeSelf()),
    read: async (token, path) => envelopeOf(await clientFor(token).read(path)),
    renewLease: async (token, leaseId) => envelopeOf(await clientFor(token).renew({ lease_id: leaseId })),
  };
}

type Answer = Record<string, unknown> | undefined;

function grantIn(answer: Answer): Grant {
  const auth = (answer?.["auth"] ?? {}) as Record<string, unknown>;
  const { client_token: token, lease_duration: leaseSeconds, renewable } = auth;
  if (typeof token !== "string" || token === "" || typeof leaseSeconds !== "number") {
    throw new VaultFailure("what Vault answered holds no token");
  }
  return { token, leaseSeconds, renewable: renewable === true };
}

const FOREVER_SECONDS = 10 * 365 * 86_400;

function envelopeOf(answer: Answer): Envelope {
  if (answer === undefined) throw new VaultFailure("Vault answered nothing");
  const { lease_id: leaseId, lease_duration: leaseSeconds, renewable, data } = answer;
  return {
    leaseId: typeof leaseId === "string" ? leaseId : "",
    leaseSeconds: typeof leaseSeconds === "number" ? leaseSeconds : 0,
    renewable: renewable === true,
    data,
  };
}
