import { join } from "node:path";
import type { Given } from "./variables.ts";

/** Where secrets are read, and as whom; undefined: no Vault. */
export function chooseVault(given: Given) {
  const { VAULT_ADDR: address, VAULT_DATABASE_ROLE: databaseRole } = given;
  if (address === undefined) return undefined;
  return {
    address,
    role: given.VAULT_ROLE,
    authMount: given.VAULT_AUTH_MOUNT,
    kvMount: given.VAULT_KV_MOUNT,
    prefix: given.VAULT_SECRET_PREFIX,
    namespace: given.VAULT_NAMESPACE,
    caFile: given.VAULT_CACERT,
    jwtPath: given.VAULT_JWT_PATH,
    refreshSeconds: given.VAULT_REFRESH_SECONDS,
    databasePath: databaseRole && join(given.VAULT_DATABASE_MOUNT, "creds", databaseRole),
  };
}
