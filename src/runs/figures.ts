import type { QueueFigures } from "../observability/metrics.ts";
import type { Queryable } from "../postgres/database.ts";

/** Counts by the partial indexes of the runs that are not final: cheap however many jobs are kept. */
export async function queueFigures(db: Queryable): Promise<QueueFigures> {
  const [row] = await db.query<QueueFigures>(
    "queue-figures",
    `select count(*) filter (where status = 'queued')::float8 as queued,
            count(*) filter (where status = 'waiting')::float8 as waiting,
            count(*) filter (where status = 'running' and leased_until < now())::float8 as expired,
            coalesce(extract(epoch from now() - min(accepted_at) filter (where status = 'queued')), 0)::float8
              as "oldestSeconds"
       from (select status, accepted_at, leased_until from runs where status = 'queued'
             union all
             select status, accepted_at, leased_until from runs where status in ('running', 'waiting')) as live`,
  );
  return row ?? { queued: 0, waiting: 0, expired: 0, oldestSeconds: 0 };
}
