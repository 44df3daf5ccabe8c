import { randomUUID } from "node:crypto";
import { type Gate, type Leave, LocalGate, once } from "./gate.ts";
import { ENTER, LEAVE, RENEW, STOP_WAITING } from "./shared-gate-scripts.ts";

/** The part of an ioredis connection that is used here. */
export type RedisLike = {
  eval(script: string, keys: number, ...args: (string | number)[]): Promise<unknown>;
};

export type SharedGateOptions = {
  /** Places for each name, in this process and over all of them. */
  most: number;
  /** The connection, or undefined while there is none. */
  redis(): RedisLike | undefined;
  /** Redis is not there: only the cap of this process holds. Told once for each outage, with null at its end. */
  onOutage(error: unknown): void;
  /** A place whose process says nothing for so long is free again. */
  leaseSeconds?: number;
};

const LEASE_SECONDS = 30;
const POLL_MS = 50;
/** A Redis that is slower than this is treated as away: models are not kept waiting for it. */
const PATIENCE_MS = 1000;
/** During an outage it is only asked now and then. */
const OUTAGE_MS = 5000;

type Waiter = { letIn(token: string | undefined): void };
type Room = { tokens: Set<string>; waiting: Set<Waiter>; timer?: NodeJS.Timeout; asking?: boolean };

/**
 * One cap for all processes that share a Redis, on top of the one of this process. Places are leases
 * there: those of a process that was killed come back when their time is over.
 */
export class SharedGate implements Gate {
  readonly #options: SharedGateOptions;
  readonly #local: LocalGate;
  readonly #rooms = new Map<string, Room>();
  readonly #process = randomUUID();
  readonly #leaseMs: number;
  #outageUntil = 0;
  #isOut = false;
  #renewal: NodeJS.Timeout | undefined;

  constructor(options: SharedGateOptions) {
    this.#options = options;
    this.#local = new LocalGate(options.most);
    this.#leaseMs = (options.leaseSeconds ?? LEASE_SECONDS) * 1000;
  }

  async enter(name: string, signal?: AbortSignal): Promise<Leave> {
    const leave = await this.#local.enter(name, signal);
    try {
      const token = await this.#wait(name, signal);
      return once(() => {
        leave();
        if (token !== undefined) this.#giveBack(name, token);
      });
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** The token of a place in Redis, or undefined when it is away. */
  #wait(name: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    if (this.#isAway()) return Promise.resolve(undefined);
    const room = this.#rooms.get(name) ?? { tokens: new Set(), waiting: new Set() };
    this.#rooms.set(name, room);
    return new Promise((letIn, giveUp) => {
      const waiter: Waiter = {
        letIn: (token) => {
          room.waiting.delete(waiter);
          signal?.removeEventListener("abort", leaveQueue);
          letIn(token);
        },
      };
      const leaveQueue = () => {
        room.waiting.delete(waiter);
        giveUp(signal?.reason);
        if (room.waiting.size === 0) this.#tell(STOP_WAITING, name, [this.#process]);
      };
      signal?.addEventListener("abort", leaveQueue, { once: true });
      room.waiting.add(waiter);
      void this.#ask(name, room);
    });
  }

  /** One question for all who wait here, again and again until nobody does. */
  async #ask(name: string, room: Room): Promise<void> {
    if (room.asking || room.waiting.size === 0) return;
    room.asking = true;
    clearTimeout(room.timer);
    try {
      const tokens = Array.from(room.waiting, () => randomUUID());
      const args = [this.#process, this.#options.most, this.#leaseMs, ...tokens];
      const granted = Number(await this.#eval(ENTER, name, args));
      for (const token of tokens.slice(0, granted)) this.#hand(name, room, token);
    } catch {
      for (const waiter of room.waiting) waiter.letIn(undefined);
    }
    room.asking = false;
    if (room.waiting.size === 0) return this.#forgetIdle(name, room);
    room.timer = setTimeout(() => void this.#ask(name, room), POLL_MS * (0.75 + Math.random() / 2));
  }

  #hand(name: string, room: Room, token: string): void {
    const [waiter] = room.waiting;
    // Whoever waited may have gone while Redis was asked.
    if (waiter === undefined) {
      this.#tell(LEAVE, name, [token]);
      return;
    }
    room.tokens.add(token);
    this.#renewal ??= setInterval(() => this.#renew(), this.#leaseMs / 3).unref();
    waiter.letIn(token);
  }

  #giveBack(name: string, token: string): void {
    this.#tell(LEAVE, name, [token]);
    const room = this.#rooms.get(name);
    if (room === undefined) return;
    room.tokens.delete(token);
    void this.#ask(name, room);
    this.#forgetIdle(name, room);
  }

  #forgetIdle(name: string, room: Room): void {
    if (room.tokens.size === 0 && room.waiting.size === 0 && !room.asking) this.#rooms.delete(name);
    if (this.#rooms.size > 0) return;
    clearInterval(this.#renewal);
    this.#renewal = undefined;
  }

  #renew(): void {
    for (const [name, { tokens }] of this.#rooms) {
      if (tokens.size > 0) this.#tell(RENEW, name, [this.#leaseMs, ...tokens]);
    }
  }

  /** Without an answer; what is lost on the way is put right by the lease. */
  #tell(script: string, name: string, args: (string | number)[]): void {
    if (!this.#isAway()) this.#eval(script, name, args).catch(() => undefined);
  }

  #isAway(): boolean {
    return performance.now() < this.#outageUntil || this.#options.redis() === undefined;
  }

  async #eval(script: string, name: string, args: (string | number)[]): Promise<unknown> {
    try {
      // The braces keep the three keys in one slot of a cluster.
      const keys = ["places", "waiting", "alive"].map((each) => `langgraph:{model ${name}}:${each}`);
      const redis = this.#options.redis();
      if (redis === undefined) throw new Error("Redis is not connected");
      const answer = await inTime(redis.eval(script, keys.length, ...keys, ...args));
      if (this.#isOut) this.#options.onOutage(null);
      this.#isOut = false;
      return answer;
    } catch (error) {
      this.#outageUntil = performance.now() + OUTAGE_MS;
      if (!this.#isOut) this.#options.onOutage(error);
      this.#isOut = true;
      throw error;
    }
  }
}

async function inTime(answer: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_, giveUp) => {
    timer = setTimeout(() => giveUp(new Error(`Redis did not answer within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
