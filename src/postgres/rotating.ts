import { pause } from "../lifetime/pause.ts";
import type { Database, Queryable } from "./database.ts";
import { sqlState } from "./failures.ts";

export type RotatingOptions<Login> = {
  login: Login;
  open: (login: Login) => Database;
  /** Asks for another login, because the server refused this one; `offer` brings what is found. */
  lookAgain: () => Promise<unknown>;
  report: (error: unknown) => void;
};

type Lived = { db: Database; busy: number; isRetired: boolean };
type Subscription = { listen: (db: Database) => Promise<() => Promise<void>>; stop: () => Promise<void> };

/** Wrong password, or no such user: nothing of the statement was done, so it may be done again. */
const REFUSED = new Set(["28P01", "28000"]);
/** The password may have changed before its secret: work is held for so long, rather than failed. */
const PATIENCE_MS = 8000;
const ASK_EVERY_MS = 300;
const LONGEST_REST_MS = 2000;

/**
 * The port over a server whose login changes. A new login is tried first; once it works all new work goes
 * there, and the old connections are closed when what they carry is done.
 */
export class RotatingDatabase<Login> implements Database {
  readonly kind = "server";
  readonly schema: string;
  readonly #options: RotatingOptions<Login>;
  readonly #subscriptions = new Set<Subscription>();
  readonly #closings = new Set<Promise<void>>();
  #current: Lived;
  #offered: Login | undefined;
  #offering: Promise<void> | undefined;
  #asking: Promise<unknown> | undefined;
  #isClosed = false;
  #wake = () => {};

  constructor(options: RotatingOptions<Login>) {
    this.#options = options;
    this.#current = { db: options.open(options.login), busy: 0, isRetired: false };
    this.schema = this.#current.db.schema;
  }

  query<R>(name: string, text: string, values?: readonly unknown[]): Promise<R[]> {
    return this.#use((db) => db.query<R>(name, text, values));
  }

  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    return this.#use((db) => db.transaction(work));
  }

  async listen(...args: Parameters<Database["listen"]>): Promise<() => Promise<void>> {
    const listen = (db: Database) => db.listen(...args);
    const subscription: Subscription = { listen, stop: await listen(this.#current.db) };
    this.#subscriptions.add(subscription);
    return async () => {
      this.#subscriptions.delete(subscription);
      await subscription.stop();
    };
  }

  /** Takes the login over as soon as it works; a newer one replaces it while it does not. */
  offer(login: Login): void {
    this.#offered = login;
    this.#wake();
    this.#offering ??= this.#tryOffers().finally(() => {
      this.#offering = undefined;
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    await this.#offering;
    await Promise.all([this.#current.db.close(), ...this.#closings]);
  }

  async #use<T>(work: (db: Database) => Promise<T>): Promise<T> {
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      const lived = this.#current;
      lived.busy++;
      try {
        return await work(lived.db);
      } catch (error) {
        const isRefused = REFUSED.has(sqlState(error) ?? "");
        if (!isRefused || this.#isClosed || performance.now() > until) throw error;
      } finally {
        lived.busy--;
        this.#closeWhenIdle(lived);
      }
      if (this.#current === lived) await this.#askForAnother();
    }
  }

  /** One question at a time, whoever is refused. */
  #askForAnother(): Promise<unknown> {
    const { lookAgain, report } = this.#options;
    this.#asking ??= Promise.all([lookAgain().catch(report), pause(ASK_EVERY_MS)]).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #tryOffers(): Promise<void> {
    for (let tries = 0; this.#offered !== undefined && !this.#isClosed; tries++) {
      const login = this.#offered;
      const db = this.#options.open(login);
      try {
        await db.query("probe", "select 1");
        if (this.#offered === login) this.#offered = undefined;
        await this.#swapIn(db);
      } catch (error) {
        await db.close().catch(() => undefined); // it is of no use
        if (tries === 0) this.#options.report(error); // the secret may be ahead of the server
        const woken = new Promise<void>((wake) => {
          this.#wake = wake;
        });
        await Promise.race([pause(Math.min(ASK_EVERY_MS * 1.5 ** tries, LONGEST_REST_MS)), woken]);
      }
    }
  }

  async #swapIn(db: Database): Promise<void> {
    const old = this.#current;
    this.#current = { db, busy: 0, isRetired: false };
    old.isRetired = true;
    for (const subscription of this.#subscriptions) {
      const { stop } = subscription;
      subscription.stop = await subscription.listen(db);
      await stop().catch(this.#options.report);
    }
    this.#closeWhenIdle(old);
  }

  /** Not `close` at once: a pool that ends forgets who still waits for a connection. */
  #closeWhenIdle(lived: Lived): void {
    if (!lived.isRetired || lived.busy > 0) return;
    lived.isRetired = false; // once
    const closing = lived.db.close().catch(this.#options.report);
    this.#closings.add(closing);
    void closing.finally(() => this.#closings.delete(closing));
  }
}
