import { decodeProtectedHeader, errors, jwtVerify, SignJWT } from "jose";
import { AgentError } from "../errors/agent-error.ts";
import { uuidV7 } from "../events/ids.ts";
import type { Caller } from "../runs/owner.ts";

export type LinkOptions = { secret: string; issuer: string };

/** What a link is good for: one question of one job, with the arguments that were shown. */
export type LinkClaims = {
  jobId: string;
  interruptId: string;
  argsDigest: string;
  /** In whose name it decides. */
  subject: string;
};

const TYPE = "agent-executor-approval+jwt";
const AUDIENCE = "agent-executor-approvals";

export type Links = {
  sign(claims: LinkClaims, expiresAt: Date): Promise<string>;
  verify(token: string): Promise<Caller>;
};

/** Links that let a person decide one question without a token of their own. */
export function openLinks({ secret, issuer }: LinkOptions): Links {
  const key = new TextEncoder().encode(secret);
  return {
    sign: ({ jobId, interruptId, argsDigest, subject }, expiresAt) =>
      new SignJWT({ job: jobId, int: interruptId, dig: argsDigest })
        .setProtectedHeader({ alg: "HS256", typ: TYPE })
        .setSubject(subject)
        .setIssuer(issuer)
        .setAudience(AUDIENCE)
        .setJti(uuidV7())
        .setExpirationTime(expiresAt)
        .sign(key),
    verify: async (token) => {
      const demands = {
        issuer,
        audience: AUDIENCE,
        typ: TYPE,
        algorithms: ["HS256"],
        requiredClaims: ["exp", "sub"],
      };
      const { payload } = await jwtVerify(token, key, demands).catch((error: unknown) => {
        const isOver = error instanceof errors.JWTExpired;
        throw new AgentError(
          "unauthenticated",
          isOver ? "the link has expired" : "the link is not one of ours",
        );
      });
      const { job, int, dig, sub = "" } = payload as Record<string, string>; // we signed it
      const link = { jobId: job ?? "", interruptId: int ?? "", argsDigest: dig ?? "" };
      return { subject: sub, groups: [], isOperator: false, link };
    },
  };
}

/** Told apart by its header, before anything is verified: each kind has a key of its own. */
export function isLink(token: string): boolean {
  try {
    return decodeProtectedHeader(token).typ === TYPE;
  } catch {
    return false; // whoever verifies it says what is wrong
  }
}
