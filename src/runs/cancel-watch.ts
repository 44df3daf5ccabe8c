import { Poller } from "../lifetime/poller.ts";
import type { Database } from "../postgres/database.ts";
import { CANCEL_CHANNEL, CANCELLED, Cancelled, cancelRequests } from "./cancel.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";

/** A notification may get lost with its connection, so every so often the table is asked. */
const LOOK_EVERY_MS = 500;

/**
 * Stops the runs of this process that somebody wants to end, wherever the request came in. Told by
 * Postgres, with a look at the table behind it.
 */
export class CancelWatch {
  readonly #db: Database;
  readonly #leases: LeaseKeeper;
  readonly #loop: Poller;
  readonly #listening: Promise<() => Promise<void>>;

  constructor(db: Database, leases: LeaseKeeper, report: (error: unknown) => void) {
    this.#db = db;
    this.#leases = leases;
    this.#loop = new Poller(() => this.#look(), report, LOOK_EVERY_MS);
    this.#listening = db.listen(CANCEL_CHANNEL, () => this.#loop.wake(), report);
  }

  look(): void {
    this.#loop.wake();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    const unlisten = await this.#listening;
    await unlisten();
  }

  async #look(): Promise<boolean> {
    const runIds = this.#leases.heldRunIds;
    if (runIds.length === 0) return false;
    for (const { runId, reason } of await cancelRequests(this.#db, runIds)) {
      this.#leases.abort(runId, new Cancelled(reason ?? CANCELLED));
    }
    return false;
  }
}
