import { attributesIn, type SentAttributes } from "../events/outgoing.ts";
import { crashPoint } from "../lifetime/crash-point.ts";
import { pause } from "../lifetime/pause.ts";
import { Poller } from "../lifetime/poller.ts";
import { sendEvent } from "../observability/event-spans.ts";
import { failSpan } from "../observability/spans.ts";
import type { Database } from "../postgres/database.ts";
import {
  type DeliveryState,
  endLongRests,
  markDelivered,
  markForLater,
  markParked,
  type OutboxRow,
  takeDue,
} from "./outbox.ts";
import type { Poster, PostResult } from "./post.ts";

export type DelivererOptions = {
  db: Database;
  target: string;
  poster: Poster;
  /** How long one attempt may take: for so long no other process touches the row. */
  attemptSeconds: number;
  report: (what: string, error: unknown) => void;
  /** Told of each attempt. */
  tried?: (event: SentAttributes, kind: PostResult["kind"], ms: number) => void;
  random?: () => number;
};

const PARK_AFTER_SECONDS = 24 * 3600;
const BATCH = 16;
/** Attempts that are out when the process stops have so long; what is cut is due again in a second. */
const LAST_ATTEMPTS_MS = 2000;
const LAST_MARKS_MS = 500;
/** What comes back after an outage comes within so long, not at one moment. */
const SPREAD_SECONDS = 10;

/** Hands stored events to one target until it takes them: at once after a run, and by a loop after that. */
export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #loop: Poller;
  readonly #watchers = new Map<string, (state: DeliveryState) => void>();
  readonly #delivered: string[] = [];
  #marking: Promise<void> | undefined;
  readonly #underWay = new Set<Promise<void>>();
  /** Some attempt has failed since the last that did not. */
  #wasAway = false;

  constructor(options: DelivererOptions) {
    this.#options = options;
    const report = (error: unknown) => options.report("delivery", error);
    this.#loop = new Poller(() => this.#deliverDue(), report, 1000);
  }

  /** Attempts of this process that have not ended: to the database they look as if nothing were due. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** The first attempt, right after the run. Behind others of its job it takes its turn in the loop. */
  deliverSettled(settled: { eventId: string; event: string; behindOthers: boolean }): void {
    if (settled.behindOthers) {
      this.#loop.wake();
      return;
    }
    const { eventId, event } = settled;
    const row = { eventId, target: this.#options.target, event, attempts: 0, ageSeconds: 0 };
    this.#attempt(row).catch((error) => this.#options.report("delivery", error));
  }

  /** Whether the event was taken, or refused for good, within the time; else it is still on its way. */
  async whenDone(eventId: string, withinMs: number): Promise<DeliveryState> {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => done("pending"), withinMs);
      const done = (state: DeliveryState) => {
        clearTimeout(timer);
        this.#watchers.delete(eventId);
        resolve(state);
      };
      this.#watchers.set(eventId, done);
    });
  }

  wake(): void {
    this.#loop.wake();
  }

  async stop(): Promise<void> {
    const stopped = this.#loop.stop();
    const ended = () => Promise.allSettled([stopped, ...this.#underWay]);
    // A result that was taken and not marked would rest until another process may touch it, and come twice.
    await Promise.race([ended(), pause(LAST_ATTEMPTS_MS)]);
    this.#options.poster.close();
    await Promise.race([ended(), pause(LAST_MARKS_MS)]);
    await this.#marking;
  }

  async #deliverDue(): Promise<boolean> {
    const { db, target, attemptSeconds } = this.#options;
    const rows = await takeDue(db, target, BATCH, attemptSeconds * 2);
    await Promise.all(rows.map((row) => this.#attempt(row)));
    // The next ones of the same jobs are due only once these are marked.
    await this.#marking;
    return rows.length > 0;
  }

  async #attempt(row: OutboxRow): Promise<void> {
    const attempt = this.#handOver(row);
    this.#underWay.add(attempt);
    try {
      await attempt;
    } finally {
      this.#underWay.delete(attempt);
    }
  }

  async #handOver(row: OutboxRow): Promise<void> {
    crashPoint("delivery: taken up, not posted");
    const result = await this.#post(row);
    crashPoint("delivery: posted, not marked");
    if (result.kind === "taken") {
      if (this.#wasAway) this.#endRests();
      this.#watchers.get(row.eventId)?.("delivered");
      this.#markSoon(row.eventId);
      return;
    }
    this.#wasAway = true;
    const { db, random = Math.random } = this.#options;
    if (result.kind === "refused" || row.ageSeconds > PARK_AFTER_SECONDS) {
      await markParked(db, row, result.reason);
      this.#watchers.get(row.eventId)?.("parked");
      return;
    }
    // Half fixed, half by chance: processes that failed together must not come back together.
    const backOff = Math.min(2 ** row.attempts, 3600) * (0.5 + random() / 2);
    await markForLater(db, row, result.reason, Math.max(result.retryAfterSeconds ?? 0, backOff));
  }

  async #post({ event, target, attempts }: OutboxRow): Promise<PostResult> {
    const { poster, tried } = this.#options;
    const startedAt = performance.now();
    const attributes = attributesIn(event);
    const { id: eventId, subject: jobId, source, type, traceparent } = attributes;
    const names = { eventId, jobId, source, type, traceparent };
    const result = await sendEvent(names, target, attempts + 1, async (span) => {
      const answer = await poster.post(event);
      span?.setAttribute("agent_executor.outcome", answer.kind);
      if (span && answer.kind !== "taken") failSpan(span, answer.kind);
      return answer;
    });
    tried?.(attributes, result.kind, Math.round(performance.now() - startedAt));
    return result;
  }

  /** An outage is over: what backed off for long need not wait for the end of it. */
  #endRests(): void {
    this.#wasAway = false;
    const { db, target, attemptSeconds, report } = this.#options;
    endLongRests(db, target, attemptSeconds * 2, SPREAD_SECONDS).catch((error) =>
      report("ending rests", error),
    );
  }

  /** One statement marks all that was taken while the last one ran. */
  #markSoon(eventId: string): void {
    this.#delivered.push(eventId);
    this.#marking ??= this.#markAll().finally(() => {
      this.#marking = undefined;
    });
  }

  async #markAll(): Promise<void> {
    while (this.#delivered.length > 0) {
      const batch = this.#delivered.splice(0);
      try {
        await markDelivered(this.#options.db, this.#options.target, batch);
        crashPoint("delivery: marked");
      } catch (error) {
        // Unmarked, it is sent again with the same id: the receiver can tell.
        this.#options.report("marking deliveries", error);
      }
    }
  }
}
