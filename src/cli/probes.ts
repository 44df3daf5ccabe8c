import http from "node:http";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";
import { reasonOf } from "../delivery/post.ts";
import { optionsOf, type RedisAddress } from "../streaming/redis-link.ts";
import { Problem } from "./doctor.ts";

const CONNECT_MS = 5000;

type Trust = {
  ca?: readonly string[] | undefined;
  /** The variable that names further authorities. */
  caVariable: string;
};

/** Opens a connection and says how far one gets; nothing is sent over it but the greeting of TLS. */
export async function reach(url: URL, { ca, caVariable }: Trust): Promise<string> {
  const isTls = url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const at = { host, port: Number(url.port) || (isTls ? 443 : 80) };
  const where = `${at.host}:${at.port}`;
  const servername = net.isIP(host) === 0 ? { servername: host } : {};
  const socket = isTls ? tls.connect({ ...at, ...servername, ...(ca && { ca: [...ca] }) }) : net.connect(at);
  try {
    await opened(socket, isTls ? "secureConnect" : "connect");
    if (!(socket instanceof tls.TLSSocket)) return `${where} answers, without TLS`;
    return `${where} answers, certificate valid until ${socket.getPeerCertificate().valid_to}`;
  } catch (error) {
    throw new Error(`${where}: ${why(error, caVariable)}`, { cause: error });
  } finally {
    socket.destroy();
  }
}

/** What Vault's health says by its status; standbys answer too. */
const VAULT: Readonly<Record<number, string>> = {
  200: "active",
  429: "a standby, which forwards",
  473: "a performance standby",
};

/** Asks a Vault server for its health; no token is needed, and none is sent. */
export async function askVault(address: URL, ca: readonly string[] | undefined): Promise<string> {
  const url = new URL(`${address.href.replace(/\/$/, "")}/v1/sys/health`);
  const request = url.protocol === "https:" ? https.request : http.request;
  const options = {
    signal: AbortSignal.timeout(CONNECT_MS),
    headers: { "x-vault-request": "true" },
    ...(ca && { ca: [...ca] }),
  };
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request(url, options, resolve).once("error", reject).end();
  }).catch((error) => {
    throw new Error(`${url.host}: ${why(error, "VAULT_CACERT")}`, { cause: error });
  });
  const status = response.statusCode ?? 0;
  response.destroy();
  if (status === 503) throw new Problem("Vault is sealed", "unseal it: vault operator unseal");
  if (status === 501) throw new Problem("Vault is not initialised", "vault operator init");
  const state = VAULT[status];
  if (state === undefined) throw new Error(`${url.host} answers ${status}: not a Vault that serves`);
  return `Vault at ${url.host} is ${state}`;
}

/** PING over a connection of its own, once. */
export async function pingRedis(address: RedisAddress): Promise<string> {
  const { Redis } = (await import("ioredis")).default; // CommonJS: the bundle gives it no names of its own
  const limits = {
    connectTimeout: CONNECT_MS,
    commandTimeout: CONNECT_MS,
    maxRetriesPerRequest: 0,
    disconnectTimeout: 100,
  };
  const once = { ...limits, lazyConnect: true, enableReadyCheck: false, retryStrategy: () => null };
  const redis = new Redis({ ...optionsOf(address), ...once });
  let failure: Error | undefined;
  redis.on("error", (error) => {
    failure = error; // says more than the rejection, which is "connection is closed"
  });
  const { host, port } = redis.options;
  try {
    await redis.connect();
    await redis.ping();
    const version = /redis_version:(\S+)/.exec(await redis.info("server"))?.[1];
    return `Redis ${version ?? ""} at ${host}:${port}`;
  } catch (error) {
    throw new Error(`${host}:${port}: ${why(failure ?? error, "REDIS_CACERT")}`, { cause: error });
  } finally {
    redis.disconnect();
  }
}

function why(error: unknown, caVariable?: string): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "AbortError") return `no answer within ${CONNECT_MS / 1000} s`;
  return "code" in error ? reasonOf(error, caVariable) : error.message;
}

function opened(socket: net.Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve).once("error", reject);
    socket.setTimeout(CONNECT_MS, () => reject(new Error(`no connection within ${CONNECT_MS / 1000} s`)));
  });
}
