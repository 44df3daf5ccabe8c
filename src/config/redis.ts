import type { Findings } from "./findings.ts";
import type { Given } from "./variables.ts";

/** Redis as variables give it, or by Vault. */
export function chooseRedis(given: Given, production: boolean, { problems }: Findings) {
  const { REDIS_URL: url, REDIS_HOST: host, REDIS_PORT: port, REDIS_PASSWORD: password } = given;
  if (production && url === undefined && host === undefined && given.VAULT_ADDR === undefined) {
    problems.push("REDIS_HOST, REDIS_URL or VAULT_ADDR: missing; production needs Redis");
  }
  return { url, host, port, password };
}
