import { readFile } from "node:fs/promises";
import { errors, type JWTPayload, jwtVerify } from "jose";
import { TokenFile } from "../delivery/token-file.ts";
import { readCertificates, withUsualRoots } from "../delivery/trust.ts";
import { AgentError } from "../errors/agent-error.ts";
import type { Caller } from "../runs/owner.ts";
import { getJson } from "./get-json.ts";
import { KeySet } from "./key-set.ts";

export type OidcOptions = {
  issuer: string;
  audience: string;
  /** Absent: the issuer's discovery document says where the keys are. */
  jwksUrl?: string | undefined;
  /** Who may use the service; none listed: everyone with a token. Operators always may. */
  subjects: readonly string[];
  operators: readonly string[];
  /** PEM file of the CA of the issuer's server; read anew with the keys. */
  caFile?: string | undefined;
  /** Sent when keys are fetched: a cluster's issuer asks for a service account's token. */
  tokenFile?: string | undefined;
  timeoutMs?: number;
  report: (error: unknown) => void;
};

/** Asymmetric ones only: with a shared secret whoever can check a token can make one. */
const ALGORITHMS = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519".split(" ");
const CLOCK_TOLERANCE_SECONDS = 30;
/** Subjects are stored with jobs and compared: no controls, no half characters, no novels. */
const SUBJECT = /^[^\p{Cc}\p{Cs}]{1,512}$/u;

/** Verifies bearer tokens of one issuer for one audience, and says whose they are. */
export function openOidc(options: OidcOptions): (token: string) => Promise<Caller> {
  const { issuer, audience, report } = options;
  const subjects = new Set(options.subjects);
  const operators = new Set(options.operators);
  const keys = new KeySet({ fetch: () => fetchKeys(options), report });
  const demands = {
    issuer,
    audience,
    algorithms: ALGORITHMS,
    requiredClaims: ["sub", "exp"],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  };
  return async (token) => {
    const { payload } = await jwtVerify(token, keys.find, demands).catch((error) => {
      // Without the cause: jose puts the claims into it.
      throw error instanceof AgentError ? error : new AgentError("unauthenticated", whatIsWrong(error));
    });
    const subject = subjectOf(payload);
    const isOperator = operators.has(subject);
    if (!isOperator && subjects.size > 0 && !subjects.has(subject)) {
      throw new AgentError("forbidden", "the token's subject is not one of OIDC_SUBJECTS");
    }
    return { subject, groups: groupsOf(payload), isOperator };
  };
}

/** The issuer's JWKS, by way of its discovery document unless we know where it is. */
export async function fetchKeys(
  options: Pick<OidcOptions, "issuer" | "jwksUrl" | "caFile" | "tokenFile" | "timeoutMs">,
): Promise<unknown> {
  const { issuer, jwksUrl, caFile, tokenFile, timeoutMs = 3000 } = options;
  const ca = caFile && withUsualRoots(readCertificates(await readFile(caFile, "utf8"), caFile));
  const token = tokenFile && (await new TokenFile(tokenFile, { mayBeAbsent: false }).read());
  const trusted = new URL(jwksUrl ?? issuer).origin;
  const get = async (url: URL) => {
    // To the origin that was configured, not to one that a document names.
    const bearer = url.origin === trusted ? token : undefined;
    const limits = { timeoutMs, ...(ca && { ca }), ...(bearer && { bearer }) };
    return await getJson(url, limits).catch((cause: Error) => {
      throw new Error(`${url.origin}${url.pathname}: ${cause.message}`, { cause });
    });
  };
  return await get(jwksUrl === undefined ? await discover(issuer, get) : new URL(jwksUrl));
}

async function discover(issuer: string, get: (url: URL) => Promise<unknown>): Promise<URL> {
  const url = new URL(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  const document = ((await get(url)) ?? {}) as { issuer?: unknown; jwks_uri?: unknown }; // checked below
  if (document.issuer !== issuer) throw new Error(`${url.href} is the document of another issuer`);
  const { jwks_uri: found } = document;
  if (typeof found !== "string" || !URL.canParse(found)) throw new Error(`${url.href} names no jwks_uri`);
  const isDowngrade = url.protocol === "https:" && new URL(found).protocol !== "https:";
  if (isDowngrade) throw new Error(`${url.href} names a jwks_uri without TLS`);
  return new URL(found);
}

function subjectOf({ sub }: JWTPayload): string {
  // jose checks that it is there, not that it is a text.
  if (typeof sub === "string" && SUBJECT.test(sub)) return sub;
  throw new AgentError("unauthenticated", "the token's subject is not usable");
}

/** As most issuers write them, where they do; what is no text is no group. */
function groupsOf({ groups }: JWTPayload): string[] {
  return Array.isArray(groups) ? groups.filter((each) => typeof each === "string") : [];
}

/** In words that tell the sender what to change, and nothing of what the token holds. */
function whatIsWrong(error: unknown): string {
  if (error instanceof errors.JWTExpired) return "the token has expired";
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error;
    return reason === "missing" ? `the token lacks "${claim}"` : `the token's "${claim}" is not accepted`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return "the token's algorithm is not accepted";
  if (error instanceof errors.JWKSMultipleMatchingKeys) return "the token does not name its key";
  if (error instanceof errors.JWKSNoMatchingKey)
    return "the token is signed with a key that is not the issuer's";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "the token's signature does not fit";
  return "the token cannot be read";
}
