import { randomUUID, type webcrypto } from "node:crypto";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { generateKeyPair, type JWTPayload, jwtVerify, SignJWT } from "jose";
import {
  authOf,
  envelope,
  healthAnswer,
  kvAnswer,
  newToken,
  refuse,
  type VaultReply,
} from "./vault-answers.ts";
import { witness } from "./witness.ts";

export type VaultRequest = {
  method: string;
  path: string;
  token: string | undefined;
  namespace: string | undefined;
  body: unknown;
  status: number | undefined;
};

/** What is wrong with it, from now on; nothing, unless a test says so. */
export type VaultFaults = {
  sealed?: boolean;
  /** A standby: everything but its health is redirected there, by this status. */
  redirect?: { to: string; status?: number };
  delayMs?: number;
  /** Takes the request and says nothing; or ends the line; or sends a byte now and then. */
  line?: "hang" | "drop" | "slow-body";
  /** The paths of secrets that the policy forbids. */
  forbidden?: (path: string) => boolean;
  /** Logins over this number are refused for a while, as by a quota. */
  quota?: number;
};

type Token = { endsAt: number; lastEnd: number };
type Secret = { data: Record<string, unknown>; version: number; createdAt: Date; deletedAt?: Date };
type DatabaseRole = { make: () => Promise<{ username: string; password: string }>; ttlSeconds: number };
type Lease = { token: string; endsAt: number; ttlSeconds: number };

export type VaultOptions = {
  port?: number;
  ttlSeconds?: number;
  maxTtlSeconds?: number;
  renewable?: boolean;
};
const ACCOUNT = "system:serviceaccount:agents:agent-executor";

/** Vault over HTTP as far as a client can see it, with a clock of its own tokens and faults at will. */
export async function startVault(options: VaultOptions = {}) {
  const { ttlSeconds = 3600, maxTtlSeconds = 86_400, renewable = true } = options;
  const requests: VaultRequest[] = [];
  const tokens = new Map<string, Token>();
  const secrets = new Map<string, Secret>();
  const roles = new Map<string, DatabaseRole>();
  const leases = new Map<string, Lease>();
  let faults: VaultFaults = {};
  let key = await newKey();

  const server = createServer((request, response) => {
    take(request, response).catch((error) => response.destroy(error));
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  const url = `http://127.0.0.1:${port}`;

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = request.method === "GET" ? undefined : await json(request).catch(() => undefined);
    const token = request.headers["x-vault-token"]?.toString();
    const namespace = request.headers["x-vault-namespace"]?.toString();
    const path = request.url ?? "";
    const one: VaultRequest = {
      method: request.method ?? "",
      path,
      token,
      namespace,
      body,
      status: undefined,
    };
    requests.push(one);
    const { line, delayMs = 0 } = faults;
    if (line === "hang") return;
    if (line === "drop") return void response.destroy();
    if (delayMs > 0) await new Promise((done) => setTimeout(done, delayMs));
    const reply = await answer(one);
    one.status = reply.status;
    response.writeHead(reply.status, {
      "content-type": "application/json",
      "cache-control": "no-store",
      ...reply.headers,
    });
    if (line !== "slow-body")
      return void response.end(reply.body === undefined ? undefined : JSON.stringify(reply.body));
    const drip = setInterval(() => response.write(" "), 100);
    response.once("close", () => clearInterval(drip));
  }

  async function answer({ method, path, token, body }: VaultRequest): Promise<VaultReply> {
    const { sealed, redirect, forbidden = () => false } = faults;
    const [, route = ""] = /^\/v1\/(.*)$/.exec(path) ?? [];
    if (path.includes("//")) return { status: 301, headers: { location: path.replaceAll("//", "/") } };
    if (route.startsWith("sys/health"))
      return healthAnswer(sealed ? "sealed" : redirect ? "standby" : "active");
    if (sealed) return refuse(503, "Vault is sealed");
    if (redirect) return { status: redirect.status ?? 307, headers: { location: `${redirect.to}${path}` } };
    if (/^auth\/[^/]+\/login$/.test(route)) return await login(route, method, body);

    const held = tokens.get(token ?? "");
    if (token === undefined || held === undefined || held.endsAt <= Date.now()) return denied();
    if (route === "auth/token/renew-self") return renew(token, held);
    if (route === "auth/token/lookup-self")
      return envelope({ data: { ttl: secondsTo(held.endsAt), renewable } });
    if (route === "auth/token/revoke-self") return revoke(token);
    if (route === "sys/leases/renew") return renewLease(body);
    if (method !== "GET") return refuse(405, "unsupported operation");
    if (forbidden(route)) return denied();
    if (route.startsWith("database/creds/")) return await createUser(route, token);
    const secret = secrets.get(route);
    if (secret === undefined) return refuse(404);
    return kvAnswer(secret.data, secret.version, secret.createdAt, secret.deletedAt);
  }

  async function login(route: string, method: string, body: unknown): Promise<VaultReply> {
    const { role, jwt } = (body ?? {}) as { role?: string; jwt?: string };
    if (route !== "auth/kubernetes/login")
      return refuse(404, `no handler for route "${route}". route entry not found.`);
    if (method !== "POST" && method !== "PUT") return refuse(405, "unsupported operation");
    if (faults.quota !== undefined && faults.quota-- <= 0) {
      const quota = refuse(429, 'request path "auth/kubernetes/login": rate limit quota exceeded');
      return { ...quota, headers: { "retry-after": "1" } };
    }
    if (!role) return refuse(400, "missing role");
    if (!jwt) return refuse(400, "missing jwt");
    if (role !== "agent-executor") return refuse(400, `invalid role name "${role}"`);
    try {
      const { payload } = await jwtVerify(jwt, key.publicKey, { audience: "vault", algorithms: ["RS256"] });
      if (payload.sub !== ACCOUNT) return denied();
    } catch (error) {
      const isLate = error instanceof Error && "code" in error && error.code === "ERR_JWT_EXPIRED";
      return isLate ? refuse(500, "error validating token: token is expired") : denied();
    }
    const token = newToken();
    witness.know(token);
    witness.know(jwt);
    const lastEnd = Date.now() + maxTtlSeconds * 1000;
    tokens.set(token, { lastEnd, endsAt: Math.min(Date.now() + ttlSeconds * 1000, lastEnd) });
    return envelope({ auth: authOf(token, Math.min(ttlSeconds, maxTtlSeconds), renewable) });
  }

  function renew(token: string, held: Token): VaultReply {
    if (!renewable) return refuse(400, "lease is not renewable");
    held.endsAt = Math.min(Date.now() + ttlSeconds * 1000, held.lastEnd);
    return envelope({ auth: authOf(token, secondsTo(held.endsAt), true) });
  }

  function revoke(token: string): VaultReply {
    tokens.delete(token);
    for (const [id, lease] of leases) if (lease.token === token) leases.delete(id);
    return { status: 204 };
  }

  async function createUser(route: string, token: string): Promise<VaultReply> {
    const role = roles.get(route.replace("database/creds/", ""));
    if (role === undefined) return refuse(400, "unknown role");
    const id = `${route}/${randomUUID()}`;
    const { ttlSeconds: seconds } = role;
    leases.set(id, { token, ttlSeconds: seconds, endsAt: Date.now() + seconds * 1000 });
    const data = await role.make();
    witness.knowThoseIn(data);
    return envelope({ lease_id: id, lease_duration: seconds, renewable: true, data });
  }

  function renewLease(body: unknown): VaultReply {
    const { lease_id: id = "" } = (body ?? {}) as { lease_id?: string };
    const lease = leases.get(id);
    if (lease === undefined || lease.endsAt <= Date.now()) return refuse(400, "lease not found");
    lease.endsAt = Date.now() + lease.ttlSeconds * 1000;
    return envelope({ lease_id: id, lease_duration: lease.ttlSeconds, renewable: true });
  }

  const pathOf = (name: string) => `secret/data/agent-executor/${name}`;
  const jwt = (claims: JWTPayload = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const usual = { sub: ACCOUNT, aud: ["vault"], iat: now, nbf: now, exp: now + 600, jti: randomUUID() };
    return new SignJWT({ ...usual, ...claims }).setProtectedHeader({ alg: "RS256" }).sign(key.privateKey);
  };
  return {
    url,
    port,
    requests,
    jwt,
    writeJwt: async (file: string, claims?: JWTPayload) => await writeFile(file, `${await jwt(claims)}\n`),
    /** The requests whose path ends so. */
    asked: (end: string) => requests.filter(({ path }) => path.endsWith(end)),
    behave: (next: VaultFaults) => {
      faults = next;
    },
    /** A new version of a secret, named as below the prefix. */
    put: (name: string, data: Record<string, unknown>) => {
      const version = (secrets.get(pathOf(name))?.version ?? 0) + 1;
      secrets.set(pathOf(name), { data, version, createdAt: new Date() });
      witness.knowThoseIn(data);
    },
    remove: (name: string) => {
      const secret = secrets.get(pathOf(name));
      if (secret) secret.deletedAt = new Date();
    },
    databaseRole: (name: string, role: DatabaseRole) => void roles.set(name, role),
    liveTokens: () => [...tokens].filter(([, { endsAt }]) => endsAt > Date.now()).map(([token]) => token),
    revokeAll: () => {
      tokens.clear();
      leases.clear();
    },
    /** The cluster signs with another key: the tokens of before are worth nothing. */
    bumpKey: async () => {
      key = await newKey();
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

export type VaultDouble = Awaited<ReturnType<typeof startVault>>;

const denied = () => refuse(403, "permission denied");
const secondsTo = (at: number) => Math.max(0, Math.floor((at - Date.now()) / 1000));

async function newKey(): Promise<{ privateKey: webcrypto.CryptoKey; publicKey: webcrypto.CryptoKey }> {
  return await generateKeyPair("RS256");
}
