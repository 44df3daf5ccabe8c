import { readFile } from "node:fs/promises";
import type { Check } from "../cli/doctor.ts";
import type { Config } from "../config.ts";
import { createLogger } from "../observability/logger.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** One check for each dependency that is configured; nothing is opened before it is looked at. */
export function checksOf(config: Config, env: Env): Check[] {
  return [
    { name: "configuration", look: async () => `${config.profile} profile`, fix: "" },
    postgresCheck(config),
    ...sinkChecks(config),
    ...oidcChecks(config),
    ...vaultChecks(env),
    ...redisChecks(env),
    ...natsChecks(config),
    ...modelChecks(config),
  ];
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
  const fix = `check PG_HOST and PG_PORT (${postgres.host}:${postgres.port}), and that the server takes connections from here`;
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

function vaultChecks({ VAULT_ADDR: address, VAULT_CACERT: caFile }: Env): Check[] {
  if (!address) return [];
  const look = async () => {
    const { askVault } = await import("../cli/probes.ts");
    const { readCertificates, withUsualRoots } = await import("../delivery/trust.ts");
    const ca = caFile && withUsualRoots(readCertificates(await readFile(caFile, "utf8"), "VAULT_CACERT"));
    return await askVault(new URL(address), ca || undefined);
  };
  return [{ name: "vault", look, fix: "check VAULT_ADDR and VAULT_CACERT" }];
}

function redisChecks(env: Env): Check[] {
  const { REDIS_URL: url, REDIS_HOST: host, REDIS_PASSWORD: password, REDIS_PORT: port = "" } = env;
  if (!url && !host) return [];
  const look = async () => {
    const { pingRedis } = await import("../cli/probes.ts");
    if (host === undefined || host === "") return await pingRedis({ url: url ?? "" });
    return await pingRedis({ host, port: Number(port) || 6379, password: password || undefined });
  };
  return [{ name: "redis", look, fix: "check REDIS_URL, or REDIS_HOST, REDIS_PORT and REDIS_PASSWORD" }];
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
