import type { Check } from "../cli/doctor.ts";
import type { Config } from "../config.ts";
import { createLogger } from "../observability/logger.ts";
import { readJwtFile, vaultTrust, whatToRead } from "./secrets.ts";

/** One check for each dependency that is configured; nothing is opened before it is looked at. */
export function checksOf(config: Config): Check[] {
  return [
    configurationCheck(config),
    postgresCheck(config),
    ...sinkChecks(config),
    ...oidcChecks(config),
    ...vaultChecks(config),
    ...redisChecks(config),
    ...natsChecks(config),
    ...modelChecks(config),
  ];
}

function configurationCheck(config: Config): Check {
  const look = async () => {
    const { readSettings } = await import("./settings.ts");
    await readSettings(config); // a start would stop there too
    return `${config.profile} profile`;
  };
  return { name: "configuration", look, fix: "see docs/configuration.md" };
}

/** All there is to say when the environment cannot be read. */
export function unusable(error: unknown): Check {
  return { name: "configuration", look: () => Promise.reject(error), fix: "see docs/configuration.md" };
}

function postgresCheck(config: Config): Check {
  const { postgres } = config;
  if (postgres.kind === "embedded") {
    const detail = `embedded in ${postgres.dataDir}: for development only`;
    return { name: "postgres", look: async () => detail, fix: "" };
  }
  const look = async () => {
    const { openDatabase } = await import("./database.ts");
    const { lookAtPostgres } = await import("../cli/doctor-postgres.ts");
    return await lookAtPostgres(() => openDatabase(config, createLogger("silent")));
  };
  const named =
    postgres.kind === "server" ? ` (${postgres.host}:${postgres.port})` : ", or the secret in Vault";
  const fix = `check PG_HOST and PG_PORT${named}, and that the server takes connections from here`;
  return { name: "postgres", look, fix };
}

function sinkChecks({ sink }: Config): Check[] {
  if (sink === undefined) return [];
  const look = async () => {
    const { sinkToken, sinkTrust } = await import("./delivery.ts");
    const { reach } = await import("../cli/probes.ts");
    const reached = await reach(new URL(sink.url), { ca: await sinkTrust(sink), caVariable: "K_CA_CERTS" });
    const token = await (await sinkToken(sink)).read();
    return `${reached}${token === undefined ? "" : ", with a token"}`; // an event is never sent
  };
  return [{ name: "sink", look, fix: "check K_SINK, its network policy, K_CA_CERTS and SINK_TOKEN_FILE" }];
}

function oidcChecks({ oidc }: Config): Check[] {
  if (oidc === undefined) return [];
  const look = async () => {
    const { fetchKeys } = await import("../http/oidc.ts");
    const { keys } = (await fetchKeys(oidc)) as { keys?: unknown[] };
    if (!Array.isArray(keys) || keys.length === 0) throw new Error(`${oidc.issuer} publishes no keys`);
    return `${oidc.issuer} publishes ${keys.length} ${keys.length === 1 ? "key" : "keys"}`;
  };
  const fix =
    "check OIDC_ISSUER, or name the place of the keys by OIDC_JWKS_URL; OIDC_CACERT, OIDC_TOKEN_FILE";
  return [{ name: "oidc", look, fix }];
}

function vaultChecks(config: Config): Check[] {
  const { vault } = config;
  if (vault === undefined) return [];
  const look = async () => {
    const { askVault } = await import("../cli/probes.ts");
    const { lookAtVault } = await import("../cli/doctor-vault.ts");
    const { openApi } = await import("../secrets/api.ts");
    const ca = await vaultTrust(vault);
    const health = await askVault(new URL(vault.address), ca);
    const api = await openApi({ ...vault, ca });
    const readJwt = () => readJwtFile(vault.jwtPath);
    const { load: wanted, needed } = whatToRead(config);
    return `${health}; ${await lookAtVault({ ...vault, api, readJwt, wanted, needed })}`;
  };
  return [{ name: "vault", look, fix: "check VAULT_ADDR and VAULT_CACERT" }];
}

function redisChecks({ redis }: Config): Check[] {
  if (redis === undefined) return [];
  const look = async () => {
    const { pingRedis } = await import("../cli/probes.ts");
    const { redisAddress } = await import("./streams.ts");
    return await pingRedis(await redisAddress(redis)());
  };
  const fix = "check REDIS_URL, or REDIS_HOST, REDIS_PORT, REDIS_PASSWORD and REDIS_CACERT";
  return [{ name: "redis", look, fix }];
}

function natsChecks({ nats }: Config): Check[] {
  if (nats === undefined) return [];
  const look = async () => {
    const { lookAtNats } = await import("../nats/look.ts");
    return await lookAtNats(nats);
  };
  const fix =
    "check NATS_URL, NATS_CREDS_FILE and NATS_CA_FILE, that the server runs with -js, and docs/nats.md";
  return [{ name: "nats", look, fix }];
}

const PROVIDERS = { openai: "https://api.openai.com", anthropic: "https://api.anthropic.com" } as const;

function modelChecks({ models }: Config): Check[] {
  return (["openai", "anthropic"] as const).flatMap((name) => {
    const { apiKey, baseUrl = PROVIDERS[name] } = models[name];
    if (apiKey === undefined) return [];
    const look = async () => {
      const { reach } = await import("../cli/probes.ts");
      return await reach(new URL(baseUrl), { caVariable: "NODE_EXTRA_CA_CERTS" });
    };
    const fix = `check ${name.toUpperCase()}_BASE_URL and the way out of the network`;
    return [{ name, look, fix }];
  });
}
