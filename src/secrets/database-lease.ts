import type { VaultApi } from "./api.ts";
import type { Clock } from "./clock.ts";
import { isPassing } from "./failure.ts";
import { restMs } from "./retry.ts";
import type { Session } from "./session.ts";

export type LeaseOptions = {
  session: Session;
  api: VaultApi;
  /** `database/creds/<role>`. */
  path: string;
  clock: Clock;
  report: (what: string, error: unknown) => void;
  /** There is a new user: the one before ends with its lease. */
  changed: () => void;
};

export type Login = { user: string; password: string };
type Lease = Login & {
  id: string;
  token: string;
  at: number;
  firstMs: number;
  ms: number;
  renewable: boolean;
};

const LONGEST_REST_MS = 30_000;

/** A database user that Vault made for us alone, kept alive and replaced in time. */
export class DatabaseLease {
  readonly #options: LeaseOptions;
  readonly #closing = new AbortController();
  #lease: Lease | undefined;
  #fetching: Promise<Login> | undefined;
  #keeper: Promise<void> | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Whether what we were given has run out. */
  get isOver(): boolean {
    return this.#lease !== undefined && this.#options.clock.now() >= endOf(this.#lease);
  }

  async current(): Promise<Login> {
    if (this.#lease !== undefined && !this.isOver) return this.#lease;
    return await this.renew();
  }

  /** A new user, one for all who ask at once. */
  renew(): Promise<Login> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#keeper; // the lease itself ends with the token
  }

  async #fetch(): Promise<Login> {
    const { session, api, path, clock } = this.#options;
    let usedToken = "";
    const envelope = await session.use(path, (token) => {
      usedToken = token;
      return api.read(token, path);
    });
    const { username: user, password } = (envelope.data ?? {}) as Record<string, unknown>;
    if (typeof user !== "string" || typeof password !== "string") throw new Error(`${path} gives no user`);
    const { leaseId: id, leaseSeconds, renewable } = envelope;
    const ms = leaseSeconds * 1000;
    this.#lease = { user, password, id, token: usedToken, at: clock.now(), firstMs: ms, ms, renewable };
    this.#keeper ??= this.#keep();
    return this.#lease;
  }

  /** At two thirds; and at once when the token that made it was replaced, because it ends with that. */
  async #keep(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; ) {
      const lease = this.#lease;
      const dueMs = lease === undefined ? 0 : lease.at + (lease.ms * 2) / 3 - clock.now();
      const waitMs = failures === 0 ? dueMs : restMs(failures, clock, 0, LONGEST_REST_MS);
      await clock.rest(Math.max(Math.min(waitMs, 86_400_000), 0), signal);
      if (signal.aborted || lease !== this.#lease || lease === undefined) continue;
      if (failures === 0 && clock.now() < lease.at + (lease.ms * 2) / 3) continue;
      failures = (await this.#extend(lease)) ? 0 : failures + 1;
    }
  }

  async #extend(lease: Lease): Promise<boolean> {
    const { session, api, path, clock, report, changed } = this.#options;
    try {
      const seconds = await session
        .use(`${path} (renewal)`, async (token) => {
          if (token !== lease.token || !lease.renewable) return 0;
          return (await api.renewLease(token, lease.id)).leaseSeconds;
        })
        .catch((error: unknown) => {
          if (isPassing(error)) throw error;
          return 0; // it is gone: only a new one helps
        });
      if (this.#lease !== lease) return true;
      if (seconds * 1000 >= lease.firstMs / 2) {
        this.#lease = { ...lease, at: clock.now(), ms: seconds * 1000 };
        return true;
      }
      await this.renew();
      changed();
      return true;
    } catch (error) {
      report("renewing the database user", error);
      return false;
    }
  }
}

const endOf = ({ at, ms }: Lease) => at + ms;
