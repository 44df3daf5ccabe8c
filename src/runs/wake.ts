import { pause } from "../lifetime/pause.ts";
import type { Queryable } from "../postgres/database.ts";

/**
 * Whether something could be done right now that no request holds: a run whose turn has come, one
 * whose worker went silent, a result that is due, a question whose time is over.
 */
const ANYTHING_DUE = `
  select exists (select 1 from runs r
                  where r.status = 'queued' and r.not_before <= now()
                    and not exists (select 1 from runs o where o.job_id = r.job_id
                                     and (o.status in ('running', 'waiting')
                                          or (o.status = 'queued' and o.seq < r.seq))))
      or exists (select 1 from runs r where r.status = 'running' and r.leased_until < now())
      or exists (select 1 from outbox o
                  where o.delivered_at is null and o.parked_at is null and o.next_attempt_at <= now())
      or exists (select 1 from interrupts i join runs r on r.run_id = i.run_id
                  where i.decision is null and i.expires_at <= now() and r.status = 'waiting')
      as due`;

export type WakeOptions = {
  db: Queryable;
  /** Makes the loops of this process look now. */
  wake: () => void;
  /** Runs and deliveries that this process has in hand. */
  atWork: () => number;
  withinMs: number;
  gone: AbortSignal;
};

const LOOK_EVERY_MS = 100;

/**
 * Keeps a service that was scaled to zero awake until what is due is done, or for a while. The
 * request that woke it is what keeps it alive.
 */
export async function workWhileDue({ db, wake, atWork, withinMs, gone }: WakeOptions): Promise<void> {
  const until = performance.now() + withinMs;
  while (performance.now() < until && !gone.aborted) {
    wake();
    const [row] = await db.query<{ due: boolean }>("anything-due", ANYTHING_DUE);
    if (!row?.due && atWork() === 0) return;
    await pause(LOOK_EVERY_MS);
  }
}
