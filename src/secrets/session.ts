import { inSpan, ROOT_CONTEXT } from "../observability/spans.ts";
import type { Grant, VaultApi } from "./api.ts";
import { type Clock, systemClock } from "./clock.ts";
import { isDenied, isPassing } from "./failure.ts";
import { restMs, retrying } from "./retry.ts";

export type SessionOptions = {
  api: VaultApi;
  role: string;
  /** The service account's token, read afresh: Kubernetes rotates it. */
  readJwt: () => Promise<string>;
  /** Every token is told before it is used, so that no log can hold it. */
  hide: (secret: string) => void;
  /** Each time; whoever needs the token gets the error. */
  loginFailed: (error: unknown) => void;
  renewalFailed: (error: unknown) => void;
  clock?: Clock;
};

/** `part`: the share of its time after which it is renewed. */
type Token = Grant & { at: number; firstSeconds: number; part: number };

/** A path that stayed forbidden after a fresh login is not worth another one for so long. */
const FORBIDDEN_REST_MS = 60_000;
const LONGEST_REST_MS = 30_000;
/** setTimeout takes no more than 2^31 ms. */
const LONGEST_SLEEP_MS = 86_400_000;
const GOODBYE_MS = 1500;

/** One login for all who need a token: kept alive, made anew when it ends, given back at the end. */
export class Session {
  readonly #options: SessionOptions;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #forbidden = new Map<string, number>();
  #token: Token | undefined;
  #login: Promise<Token> | undefined;
  #keeper: Promise<void> | undefined;
  #changed = new AbortController();

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Does it with a token; at a 403 once more with a fresh one, because the old one may have been revoked. */
  async use<T>(path: string, work: (token: string) => Promise<T>): Promise<T> {
    const { signal } = this.#closing;
    const attempt = ({ token }: Token) => retrying(() => work(token), this.#clock, signal);
    const token = await this.#current();
    try {
      const result = await attempt(token);
      this.#forbidden.delete(path);
      return result;
    } catch (error) {
      const forbiddenAt = this.#forbidden.get(path) ?? Number.NEGATIVE_INFINITY;
      if (!isDenied(error) || this.#clock.now() - forbiddenAt < FORBIDDEN_REST_MS) throw error;
    }
    const fresh = token === this.#token ? await this.#logInOnce() : await this.#current();
    try {
      return await attempt(fresh);
    } catch (error) {
      if (isDenied(error)) this.#forbidden.set(path, this.#clock.now());
      throw error;
    }
  }

  /** Gives the token back, with all that hangs on it. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#changed.abort();
    // A Vault that is away forgets the token by itself, when its time is over.
    const goodbye = this.#giveBack().catch(() => undefined);
    await Promise.race([goodbye, this.#clock.rest(GOODBYE_MS, new AbortController().signal)]);
  }

  async #giveBack(): Promise<void> {
    await this.#login?.catch(() => undefined); // under way: it must not stay behind
    await this.#keeper;
    if (this.#token !== undefined) await this.#options.api.revoke(this.#token.token);
    this.#token = undefined;
  }

  async #current(): Promise<Token> {
    const token = this.#token;
    return token !== undefined && this.#clock.now() < endOf(token) ? token : await this.#logInOnce();
  }

  #logInOnce(): Promise<Token> {
    this.#login ??= this.#logIn().finally(() => {
      this.#login = undefined;
    });
    return this.#login;
  }

  async #logIn(): Promise<Token> {
    const { api, role, readJwt, hide, loginFailed } = this.#options;
    const once = async () => {
      const jwt = await readJwt();
      hide(jwt);
      const login = inSpan("vault.authenticate", { parent: ROOT_CONTEXT }, () => api.login(role, jwt));
      return await login.catch((error) => {
        loginFailed(error);
        throw error;
      });
    };
    this.#closing.signal.throwIfAborted();
    const grant = await retrying(once, this.#clock, this.#closing.signal);
    const token = this.#take(grant, grant.leaseSeconds);
    this.#keeper ??= this.#keep();
    return token;
  }

  #take(grant: Grant, firstSeconds: number): Token {
    this.#options.hide(grant.token);
    // Two thirds, a little earlier by chance.
    const part = (2 / 3) * (0.9 + this.#clock.random() / 10);
    const token = { ...grant, firstSeconds, part, at: this.#clock.now() };
    this.#token = token;
    this.#changed.abort(); // whoever rests until the old one is due looks again
    return token;
  }

  /** At two thirds of a token's time it is renewed; near its last end, or when that is refused, replaced. */
  async #keep(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; ) {
      this.#changed = new AbortController();
      const token = this.#token;
      const dueAt = token === undefined ? 0 : renewalAt(token);
      const dueMs = Math.max(dueAt - this.#clock.now(), 0);
      const waitMs = failures === 0 ? Math.min(dueMs, LONGEST_SLEEP_MS) : backOff(failures, this.#clock);
      await this.#clock.rest(waitMs, AbortSignal.any([signal, this.#changed.signal]));
      if (signal.aborted || token !== this.#token) failures = 0;
      else if (failures === 0 && this.#clock.now() < dueAt) continue;
      else failures = (await this.#extend(token)) ? 0 : failures + 1;
    }
  }

  /** Whether there is a token with time before it. */
  async #extend(token: Token | undefined): Promise<boolean> {
    try {
      if (token?.renewable && this.#clock.now() < endOf(token)) {
        const renewed = await this.#options.api.renew(token.token).catch((error) => {
          if (isPassing(error)) throw error;
          return undefined; // refused for good: log in
        });
        if (renewed !== undefined && renewed.leaseSeconds >= token.firstSeconds / 2) {
          this.#take(renewed, token.firstSeconds);
          return true;
        }
      }
      await this.#logInOnce();
      return true;
    } catch (error) {
      this.#options.renewalFailed(error); // the old token goes on to its end
      return false;
    }
  }
}

const endOf = ({ at, leaseSeconds }: Token) => at + leaseSeconds * 1000;
const renewalAt = ({ at, leaseSeconds, part }: Token) => at + leaseSeconds * 1000 * part;
const backOff = (failures: number, clock: Clock) => restMs(failures, clock, 0, LONGEST_REST_MS);
