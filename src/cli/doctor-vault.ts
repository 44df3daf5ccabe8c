import type { VaultApi } from "../secrets/api.ts";
import { isDenied, isMissing } from "../secrets/failure.ts";
import { SECRET_PATHS, type SecretName } from "../secrets/values.ts";
import { Problem } from "./doctor.ts";

export type VaultLook = {
  api: VaultApi;
  role: string;
  jwtPath: string;
  readJwt: () => Promise<string>;
  kvMount: string;
  prefix: string;
  /** What the service would read; `needed` of it must be there. */
  wanted: readonly SecretName[];
  needed: readonly SecretName[];
};

/** Logs in as the service would, reads each path, and gives the token back; says what was there. */
export async function lookAtVault(look: VaultLook): Promise<string> {
  const { api, role, jwtPath, wanted } = look;
  const jwt = await look.readJwt().catch((error: unknown) => {
    throw new Problem(
      messageOf(error),
      `mount the service account's token at ${jwtPath}, or set VAULT_JWT_PATH`,
    );
  });
  const { token } = await api.login(role, jwt).catch((error: unknown) => {
    throw new Problem(`login as ${role}: ${messageOf(error)}`, LOGIN_FIX);
  });
  try {
    const found = await Promise.all(wanted.map((name) => read(look, token, name)));
    return [`logged in as ${role}`, ...found].join("; ");
  } finally {
    await api.revoke(token).catch(() => undefined); // it ends by itself
  }
}

const LOGIN_FIX =
  "check VAULT_ROLE and VAULT_AUTH_MOUNT, and that the role binds this service account, namespace and audience";

async function read(look: VaultLook, token: string, name: SecretName): Promise<string> {
  const path = `${look.kvMount}/data/${look.prefix}/${SECRET_PATHS[name]}`;
  try {
    await look.api.read(token, path);
    return `${path} is there`;
  } catch (error) {
    if (isDenied(error)) {
      throw new Problem(
        `${path}: permission denied`,
        `the policy must allow: path "${path}" { capabilities = ["read"] }`,
      );
    }
    if (!isMissing(error)) throw error;
    if (!look.needed.includes(name)) return `${path} is not there, which is allowed`;
    const put = `${look.kvMount}/${look.prefix}/${SECRET_PATHS[name]}`;
    throw new Problem(
      `${path} is not there`,
      `vault kv put ${put} …, or check VAULT_KV_MOUNT and VAULT_SECRET_PREFIX`,
    );
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
