import type { Queryable } from "../postgres/database.ts";

export type OutboxRow = {
  eventId: string;
  target: string;
  event: string;
  attempts: number;
  ageSeconds: number;
};

export type DeliveryState = "pending" | "delivered" | "parked";

/**
 * Takes events that are due, the oldest undelivered one of each job and target only, so that a job's
 * events arrive in order. Taking moves the next attempt ahead: if this process dies, another gets it.
 */
const TAKE_DUE = `
  with due as (
    select o.event_id, o.target from outbox o
     where o.delivered_at is null and o.parked_at is null and o.next_attempt_at <= now() and o.target = $1
       and not exists (select 1 from outbox e where e.job_id = o.job_id and e.target = o.target
                        and e.delivered_at is null and e.parked_at is null and e.job_event_no < o.job_event_no)
     order by o.next_attempt_at limit $2 for update skip locked)
  update outbox o set next_attempt_at = now() + make_interval(secs => $3)
    from due where o.event_id = due.event_id and o.target = due.target
  returning o.event_id as "eventId", o.target, o.event, o.attempts,
            extract(epoch from now() - o.created_at)::float8 as "ageSeconds"`;

export async function takeDue(
  db: Queryable,
  target: string,
  most: number,
  holdSeconds: number,
): Promise<OutboxRow[]> {
  return await db.query<OutboxRow>("outbox-take", TAKE_DUE, [target, most, holdSeconds]);
}

export async function markDelivered(
  db: Queryable,
  target: string,
  eventIds: readonly string[],
): Promise<void> {
  await db.query(
    "outbox-delivered",
    `update outbox set delivered_at = now(), attempts = attempts + 1, last_error = null
      where target = $1 and event_id = any($2::uuid[]) and delivered_at is null`,
    [target, eventIds],
  );
}

export async function markParked(db: Queryable, row: OutboxRow, reason: string): Promise<void> {
  await db.query(
    "outbox-parked",
    `update outbox set parked_at = now(), attempts = attempts + 1, last_error = $3
      where event_id = $1 and target = $2 and delivered_at is null`,
    [row.eventId, row.target, reason],
  );
}

export async function markForLater(
  db: Queryable,
  row: OutboxRow,
  reason: string,
  delaySeconds: number,
): Promise<void> {
  await db.query(
    "outbox-later",
    `update outbox
        set attempts = attempts + 1, last_error = $3, next_attempt_at = now() + make_interval(secs => $4)
      where event_id = $1 and target = $2 and delivered_at is null`,
    [row.eventId, row.target, reason, delaySeconds],
  );
}

/**
 * The target takes events again: who rests for long after failures comes soon, spread over a while.
 * Shorter rests are left alone, because they may be those of an attempt that is under way.
 */
export async function endLongRests(
  db: Queryable,
  target: string,
  longerThanSeconds: number,
  spreadSeconds: number,
): Promise<void> {
  await db.query(
    "outbox-end-rests",
    `update outbox set next_attempt_at = now() + make_interval(secs => random() * $3)
      where target = $1 and delivered_at is null and parked_at is null and attempts > 0
        and next_attempt_at > now() + make_interval(secs => $2)`,
    [target, longerThanSeconds, spreadSeconds],
  );
}

/** One more target for an event that is there already. */
export async function alsoDeliverTo(db: Queryable, eventId: string, target: string): Promise<void> {
  await db.query(
    "outbox-also",
    `insert into outbox (event_id, target, job_id, job_event_no, event, next_attempt_at)
     select event_id, $2, job_id, job_event_no, event, now() from outbox where event_id = $1 limit 1
     on conflict do nothing`,
    [eventId, target],
  );
}

/** An event of no run, about an input that could not become one; a second copy of it changes nothing. */
export async function storeLooseEvent(
  db: Queryable,
  { eventId, jobId, event }: { eventId: string; jobId: string; event: string },
  targets: readonly string[],
): Promise<void> {
  await db.query(
    "outbox-loose",
    `insert into outbox (event_id, target, job_id, job_event_no, event, next_attempt_at)
     select $1, target, $2, 0, $3, now() from unnest($4::text[]) as target on conflict do nothing`,
    [eventId, jobId, event, targets],
  );
}

/** The stored bytes of an event and how far its delivery got, over all targets that a caller waits for. */
export async function storedEvent(
  db: Queryable,
  eventId: string,
): Promise<{ event: string; state: DeliveryState } | undefined> {
  const rows = await db.query<{ event: string; state: DeliveryState; target: string }>(
    "outbox-stored",
    `select event, target, case when delivered_at is not null then 'delivered'
                        when parked_at is not null then 'parked' else 'pending' end as state
       from outbox where event_id = $1`,
    [eventId],
  );
  const [first] = rows;
  if (first === undefined) return undefined;
  // Who asks by HTTP has nothing to do with NATS.
  const pending = rows.find((row) => row.state === "pending" && row.target !== "nats");
  return pending ?? rows.find((row) => row.target !== "nats") ?? first;
}

/** An event that its target has not taken, as an operator sees it. */
export type UndeliveredEvent = {
  event_id: string;
  target: string;
  job_id: string;
  state: "pending" | "parked";
  attempts: number;
  created_at: Date;
  next_attempt_at: Date;
  last_error: string | null;
};

export async function listUndelivered(db: Queryable, limit: number): Promise<UndeliveredEvent[]> {
  return await db.query<UndeliveredEvent>(
    "outbox-list",
    `select event_id, target, job_id, case when parked_at is null then 'pending' else 'parked' end as state,
            attempts, created_at, next_attempt_at, last_error
       from outbox where delivered_at is null order by created_at limit $1`,
    [limit],
  );
}

/** How much waits for its delivery, how much was given up, and how long the oldest has waited. */
export type OutboxFigures = { pending: number; parked: number; oldestSeconds: number };

export async function outboxFigures(db: Queryable): Promise<OutboxFigures> {
  const [row] = await db.query<OutboxFigures>(
    "outbox-figures",
    `select count(*) filter (where parked_at is null)::float8 as pending,
            count(*) filter (where parked_at is not null)::float8 as parked,
            coalesce(extract(epoch from now() - min(created_at) filter (where parked_at is null)), 0)::float8
              as "oldestSeconds"
       from outbox where delivered_at is null`,
  );
  return row ?? { pending: 0, parked: 0, oldestSeconds: 0 };
}

/** Sends parked events again, all or one, from now on; the bytes stay as they are. Gives how many. */
export async function redriveParked(db: Queryable, eventId?: string): Promise<number> {
  const rows = await db.query(
    "outbox-redrive",
    `update outbox set parked_at = null, attempts = 0, next_attempt_at = now(), created_at = now()
      where parked_at is not null and delivered_at is null and ($1::uuid is null or event_id = $1)
    returning 1`,
    [eventId ?? null],
  );
  return rows.length;
}
