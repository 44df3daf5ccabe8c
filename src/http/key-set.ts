import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { AgentError } from "../errors/agent-error.ts";

export type KeySetOptions = {
  /** Fetches the JWKS; takes its own time limit. */
  fetch: () => Promise<unknown>;
  report: (error: unknown) => void;
  now?: () => number;
};

/** From here on keys are renewed beside the requests, and from there on before one is answered. */
const FRESH_MS = 5 * 60_000;
const STALE_MS = 15 * 60_000;
/** An unknown key id makes us look again, but nobody can make us look more often than this. */
const REST_MS = 10_000;
const REST_AFTER_FAILURE_MS = 2_000;

/**
 * The issuer's public keys. What was fetched once goes on working while the issuer is away; only keys
 * that we have never seen must wait for it. (jose's own remote set refuses all once its copy is old.)
 */
export class KeySet {
  readonly #options: Required<KeySetOptions>;
  #keys: JWTVerifyGetKey | undefined;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #lastFailed = false;
  #loading: Promise<void> | undefined;

  constructor(options: KeySetOptions) {
    this.#options = { now: () => performance.now(), ...options };
  }

  /** The key for a token; jose calls it. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const age = this.#options.now() - this.#loadedAt;
    if (age > FRESH_MS) {
      const renewal = this.#renew();
      if (age > STALE_MS) await renewal;
    }
    const known = await this.#lookUp(header, token);
    if (known !== undefined) return known;
    await this.#renew();
    const found = await this.#lookUp(header, token);
    if (found !== undefined) return found;
    if (!this.#lastFailed) throw new errors.JWKSNoMatchingKey();
    // The key may be a new one of the issuer's: who sent it is to come again, not to give up.
    throw new AgentError("issuer_unavailable", "the keys of the token's issuer cannot be fetched just now", {
      retryAfterSeconds: REST_AFTER_FAILURE_MS / 1000,
    });
  };

  async #lookUp(...asked: Parameters<JWTVerifyGetKey>) {
    try {
      return await this.#keys?.(...asked);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey) return undefined;
      throw error;
    }
  }

  /** Fetches unless it was done a moment ago. Never rejects: what is known goes on. */
  async #renew(): Promise<void> {
    const rest = this.#lastFailed ? REST_AFTER_FAILURE_MS : REST_MS;
    if (this.#loading === undefined && this.#options.now() - this.#triedAt < rest) return;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  async #load(): Promise<void> {
    try {
      const document = (await this.#options.fetch()) as JSONWebKeySet; // checked on the next line
      const keys = createLocalJWKSet(document);
      // Not an issuer that trusts nobody any more, but one that is being set up, or a wrong address.
      if (document.keys.length === 0) throw new Error("the issuer publishes no keys");
      this.#keys = keys;
      this.#loadedAt = this.#options.now();
      this.#lastFailed = false;
    } catch (error) {
      this.#lastFailed = true;
      this.#options.report(error);
    }
    this.#triedAt = this.#options.now();
  }
}
