import type { Redis } from "ioredis";
import { pause } from "../lifetime/pause.ts";
import type { Logger } from "../observability/logger.ts";

export type RedisAddress = {
  host: string;
  port: number;
  username?: string | undefined;
  password?: string | undefined;
  database?: number;
  tls: boolean;
  /** Authorities that TLS trusts instead of the usual ones. */
  ca?: readonly string[] | undefined;
};

export type RedisLinkOptions = {
  /** Asked at each connection, so that a password may change. */
  address: () => Promise<RedisAddress>;
  /** A connection that answers. */
  onReady?: (redis: Redis) => void;
  onLost?: () => void;
  /** For the log. */
  purpose: string;
  log: Logger;
};

/** A command that takes longer has failed: a stopped server still accepts connections. */
const COMMAND_MS = 3000;
const PING_EVERY_MS = 5000;
const LONGEST_REST_MS = 5000;

/** In the words of ioredis. */
export function optionsOf({ host, port, username, password, database, tls, ca }: RedisAddress) {
  return {
    host,
    port,
    ...(username && { username }),
    ...(password && { password }),
    ...(database && { db: database }),
    ...(tls && { tls: { ...(ca && { ca: [...ca] }) } }),
  };
}

/** One connection to Redis, opened again for as long as it is wanted. Nobody waits for it. */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #running: Promise<void>;
  #redis: Redis | undefined;
  #wasUp = false;
  #isClosed = false;
  #wake: () => void = () => undefined;

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** The connection while it is up. */
  get redis(): Redis | undefined {
    return this.#redis;
  }

  get wasUp(): boolean {
    return this.#wasUp;
  }

  /** The address or its password has changed: what was sent is still answered, what follows waits for the new connection. */
  reconnect(): void {
    const old = this.#redis;
    this.#redis = undefined;
    old?.quit().catch(() => old.disconnect());
    this.#wake();
  }

  /** It does not answer: what was sent over it is lost. */
  drop(): void {
    this.#redis?.disconnect();
    this.#redis = undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.drop();
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, purpose } = this.#options;
    for (let failures = 0; !this.#isClosed; failures++) {
      let redis: Redis | undefined;
      const problem: { error?: unknown } = {};
      try {
        redis = await this.#open(problem);
        if (failures > 0) log.info({ component: "redis", purpose }, "Redis is back");
        failures = 0;
        await this.#whileUp(redis);
      } catch (error) {
        problem.error ??= error;
      }
      redis?.disconnect();
      if (this.#isClosed) return;
      // One line an outage; the rest is in the metric.
      const said = problem.error instanceof Error ? problem.error.message : "the connection ended";
      if (failures === 0) log.warn({ component: "redis", purpose }, `Redis is away: ${said}`);
      await this.#rest(Math.min(100 * 2 ** failures, LONGEST_REST_MS));
    }
  }

  async #open(problem: { error?: unknown }): Promise<Redis> {
    const address = await this.#options.address();
    const { Redis } = (await import("ioredis")).default; // CommonJS: the bundle gives it no names of its own
    const redis = new Redis({
      ...optionsOf(address),
      lazyConnect: true,
      enableReadyCheck: false,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      connectTimeout: COMMAND_MS,
      commandTimeout: COMMAND_MS,
      disconnectTimeout: 100,
      keepAlive: 10_000,
    });
    redis.on("error", (error) => {
      problem.error = error;
    });
    try {
      await redis.connect();
      await redis.ping(); // a wrong password shows only now
      return redis;
    } catch (error) {
      redis.disconnect();
      throw error;
    }
  }

  async #whileUp(redis: Redis): Promise<void> {
    if (this.#isClosed) return;
    const ended = new Promise<void>((resolve) => void redis.once("end", resolve));
    // A line that was cut off in silence looks like one on which nothing happens.
    const pings = setInterval(() => redis.ping().catch(() => redis.disconnect()), PING_EVERY_MS);
    this.#redis = redis;
    this.#wasUp = true;
    this.#options.onReady?.(redis);
    await ended;
    clearInterval(pings);
    if (this.#redis === redis) this.#redis = undefined;
    this.#options.onLost?.();
  }

  async #rest(ms: number): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await Promise.race([woken, pause(ms)]);
  }
}
