import type { Findings } from "./findings.ts";
import type { Given } from "./variables.ts";

const REDIS_PARTS = ["REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD"] as const;

/** A server by its parts or by its URL; undefined where Vault may name one, or streams stay in the process. */
export function chooseRedis(given: Given, production: boolean, { problems, notes }: Findings) {
  const { REDIS_URL, REDIS_HOST } = given;
  const parts = REDIS_PARTS.filter((name) => given[name] !== undefined).join(", ");
  if (REDIS_HOST === undefined && REDIS_URL === undefined) {
    const isNeeded = production && given.VAULT_ADDR === undefined;
    if (isNeeded) problems.push("REDIS_HOST, REDIS_URL or VAULT_ADDR: missing; production needs Redis");
    else if (parts !== "") problems.push(`REDIS_HOST: missing, while ${parts} is set; expected a host name`);
    return undefined;
  }
  if (REDIS_URL !== undefined && parts !== "") notes.push(`${parts} replaces its part of REDIS_URL`);
  const url = readUrl(REDIS_URL ?? "redis:", problems);
  return {
    host: REDIS_HOST ?? (url.host || "127.0.0.1"),
    port: given.REDIS_PORT ?? (url.port || 6379),
    username: url.username || undefined,
    password: given.REDIS_PASSWORD ?? (url.password || undefined),
    database: url.database,
    tls: url.tls,
    caFile: given.REDIS_CACERT,
  };
}

const NOTHING = { host: "", port: 0, username: "", password: "", database: 0, tls: false };

function readUrl(text: string, problems: string[]) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const [, database = "0"] = /^\/(\d*)$/.exec(url?.pathname || "/") ?? [];
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || !/^\/?\d*$/.test(url.pathname)) {
    problems.push(
      "REDIS_URL: the value is not usable; expected redis://user:password@host:port/0 or rediss://…",
    );
    return NOTHING;
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port),
    username: decoded(url.username),
    password: decoded(url.password),
    database: Number(database),
    tls: url.protocol === "rediss:",
  };
}

/** A lone `%` is meant as it stands. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
