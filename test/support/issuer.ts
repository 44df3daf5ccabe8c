import type { webcrypto } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";
import { witness } from "./witness.ts";

type Key = { kid: string; alg: string; privateKey: webcrypto.CryptoKey; publicJwk: JWK };
/** How the JWKS and the discovery document are answered: as they are, late, never, with a status, or not at all. */
export type IssuerBehaviour = "ok" | "hang" | "drop" | number | { body: string } | { delayMs: number };

export type Issuer = {
  url: string;
  jwksUrl: string;
  audience: string;
  /** Paths that were asked for, with the bearer token that came along. */
  asked: { path: string; authorization: string | undefined }[];
  behave(behaviour: IssuerBehaviour): void;
  /** A token of the present key for the audience, good for five minutes, unless told otherwise. */
  token(claims?: JWTPayload, header?: { kid?: string; alg?: string }): Promise<string>;
  /** From now on another key signs; the one before stays published unless it is revoked. */
  rotate(options?: { alg?: string; revoke?: boolean }): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** An OpenID issuer as far as a verifier can see one: a discovery document, a JWKS, and signed tokens. */
export async function startIssuer({ port = 0, alg = "ES256" } = {}): Promise<Issuer> {
  const asked: Issuer["asked"] = [];
  let behaviour: IssuerBehaviour = "ok";
  let keys: Key[] = [];
  let made = 0;

  const server = createServer((request, response) => {
    asked.push({ path: request.url ?? "", authorization: request.headers.authorization });
    answer(request, response);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : port}`;
  const audience = "agents/test";

  function answer(request: IncomingMessage, response: ServerResponse): void {
    if (behaviour === "hang") return;
    if (behaviour === "drop") return void response.destroy();
    if (typeof behaviour === "number") {
      return void response.writeHead(behaviour, { location: `${url}/elsewhere` }).end("{}");
    }
    if (typeof behaviour === "object" && "body" in behaviour) return void response.end(behaviour.body);
    const delayMs = typeof behaviour === "object" ? behaviour.delayMs : 0;
    setTimeout(() => response.end(JSON.stringify(documentAt(request.url ?? ""))), delayMs);
  }

  function documentAt(path: string): unknown {
    if (path === "/.well-known/openid-configuration") return { issuer: url, jwks_uri: `${url}/keys` };
    if (path === "/keys") return { keys: keys.map(({ publicJwk }) => publicJwk) };
    return { error: "not found" };
  }

  async function rotate({ alg: next = alg, revoke = false }: { alg?: string; revoke?: boolean } = {}) {
    const { privateKey, publicKey } = await generateKeyPair(next, { extractable: true });
    const kid = `key-${++made}`;
    const publicJwk = { ...(await exportJWK(publicKey)), kid, alg: next, use: "sig" };
    keys = [{ kid, alg: next, privateKey, publicJwk }, ...(revoke ? [] : keys)];
  }

  async function token(claims: JWTPayload = {}, header: { kid?: string; alg?: string } = {}) {
    const [key] = keys;
    if (key === undefined) throw new Error("the issuer has no key");
    const now = Math.floor(Date.now() / 1000);
    const usual = { iss: url, aud: audience, sub: "alice", iat: now, exp: now + 300 };
    const signed = await new SignJWT({ ...usual, ...claims })
      .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
      .sign(key.privateKey);
    witness.know(signed);
    return signed;
  }

  await rotate();
  return {
    url,
    jwksUrl: `${url}/keys`,
    audience,
    asked,
    token,
    rotate,
    behave: (next) => {
      behaviour = next;
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
