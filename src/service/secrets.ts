import { readFile } from "node:fs/promises";
import type { ModelSettings } from "../agents/endpoints.ts";
import type { Config } from "../config.ts";
import type { Logger } from "../observability/logger.ts";
import { hideValue } from "../observability/redaction.ts";
import type { Secrets } from "../secrets/secrets.ts";
import type { SecretName } from "../secrets/values.ts";

type Readiness = { load: readonly SecretName[]; needed: readonly SecretName[] };

/** Vault as configured, not yet asked; undefined where variables say everything. */
export async function openSecrets(config: Config, log: Logger): Promise<Secrets | undefined> {
  const { vault } = config;
  if (vault === undefined) return undefined;
  const [{ openApi }, { Session }, { Secrets }, { vaultMetrics }] = await Promise.all([
    import("../secrets/api.ts"),
    import("../secrets/session.ts"),
    import("../secrets/secrets.ts"),
    import("../observability/metrics.ts"),
  ]);
  const { address, namespace, authMount, role, jwtPath, kvMount, prefix } = vault;
  const report = (what: string, error: unknown) =>
    log.warn({ err: error, component: "vault" }, `${what} failed`);
  const api = await openApi({ address, namespace, authMount, ca: await vaultTrust(vault) });
  const session = new Session({
    api,
    role,
    readJwt: () => readJwtFile(jwtPath),
    hide: hideValue,
    loginFailed: vaultMetrics.loginFailed,
    renewalFailed: (error) => report("renewing the token", error),
  });
  const { load, needed } = whatToRead(config);
  const { refreshSeconds, databasePath } = vault;
  const from = { session, api, kvMount, prefix, databasePath };
  return new Secrets({ ...from, wanted: load, needed, refreshSeconds, hide: hideValue, report });
}

/** All that TLS to Vault trusts; undefined where the usual roots are enough. */
export async function vaultTrust({
  caFile,
}: NonNullable<Config["vault"]>): Promise<readonly string[] | undefined> {
  if (caFile === undefined) return undefined;
  const { readCertificates, withUsualRoots } = await import("../delivery/trust.ts");
  return withUsualRoots(readCertificates(await readFile(caFile, "utf8"), "VAULT_CACERT"));
}

/** The service account's token, as it is now. */
export async function readJwtFile(path: string): Promise<string> {
  const jwt = (await readFile(path, "utf8")).trim();
  if (jwt === "") throw new Error(`${path} is empty: it must hold the service account's token`);
  return jwt;
}

/** Variables win over Vault: what they give is not even asked for. */
export function whatToRead({ postgres, redis, models, profile }: Config): Readiness {
  const isVariable = {
    postgres: postgres.kind !== "vault",
    redis: redis !== undefined,
    openai: models.openai.apiKey !== undefined,
    anthropic: models.anthropic.apiKey !== undefined,
  };
  const load = (Object.keys(isVariable) as SecretName[]).filter((name) => !isVariable[name]);
  const canDoWithout = new Set<SecretName>(["openai", "anthropic"]);
  if (profile === "development") canDoWithout.add("redis");
  if (postgres.kind === "vault" && postgres.given.host !== undefined) canDoWithout.add("postgres");
  return { load, needed: load.filter((name) => !canDoWithout.has(name)) };
}

/** Keys as of now: variables first, then Vault. Asked for at every call of a model. */
export function modelSettings({ models }: Config, secrets: Secrets | undefined): ModelSettings {
  const provider = (name: "openai" | "anthropic") => {
    const held = secrets?.values[name];
    return { apiKey: models[name].apiKey ?? held?.apiKey, baseUrl: models[name].baseUrl ?? held?.baseUrl };
  };
  return {
    providers: { openai: provider("openai"), anthropic: provider("anthropic") },
    allowedBaseUrls: models.baseUrls,
    offlineModels: models.allowOffline,
  };
}
