import type { Redis } from "ioredis";
import type { Logger } from "../observability/logger.ts";
import { Bell, type FrameLog, type JobTail, type Page } from "./frame-log.ts";
import { type Frame, headOf, isAfter, readFrame, type StoredFrame } from "./frames.ts";
import { indexAfter, type LogLimits } from "./local-log.ts";
import { type RedisAddress, RedisLink } from "./redis-link.ts";
import { channelOf, logOf, RedisPublisher } from "./redis-publisher.ts";

export type RedisLogOptions = {
  address: () => Promise<RedisAddress>;
  limits: LogLimits;
  log: Logger;
};

/** Asked of Redis at once, */
const PAGE = 64;
/** and taken at once of what is here. */
const RECENT_PAGE = 256;
const MOST_PAGES = 8;
/** What is kept of a live stream for all of its readers here; who is further behind asks Redis. */
const MOST_RECENT = 4000;
const MOST_RECENT_CHARACTERS = 2 * 1024 * 1024;

/** What the readers of one job share in this process. */
type Hub = {
  jobId: string;
  readers: number;
  bell: Bell;
  /** All frames after `floor`, as they were published; without a floor they may have holes. */
  recent: StoredFrame[];
  /** Pages of Redis by where they start: readers that start together read together. */
  pages: Map<string, Promise<Page>>;
  characters: number;
  floor: string | undefined;
};

/** Streams in Redis: written by whoever runs a job, read on any process. */
export class RedisLog implements FrameLog {
  readonly #options: RedisLogOptions;
  readonly #writer: RedisLink;
  readonly #publisher: RedisPublisher;
  readonly #hubs = new Map<string, Hub>();
  /** Opened for the first reader: most processes have none. */
  #reading: { ears: RedisLink; eyes: RedisLink } | undefined;

  constructor(options: RedisLogOptions) {
    this.#options = options;
    this.#publisher = new RedisPublisher(() => this.#writer, options.limits);
    this.#writer = this.#link("write", () => this.#publisher.flush());
  }

  append(jobId: string, frame: Frame): void {
    this.#publisher.append(jobId, frame);
  }

  state(): { isUp: boolean; wasUp: boolean } {
    return { isUp: this.#writer.redis !== undefined, wasUp: this.#writer.wasUp };
  }

  /** While it is up. Whoever else uses it must be brief: frames wait behind. */
  get connection(): Redis | undefined {
    return this.#writer.redis;
  }

  /** For new credentials: nothing that waits is lost by it. */
  reconnect(): void {
    for (const link of [this.#writer, this.#reading?.ears, this.#reading?.eyes]) link?.reconnect();
  }

  async close(): Promise<void> {
    await this.#publisher.close();
    const links = [this.#writer, this.#reading?.ears, this.#reading?.eyes];
    await Promise.all(links.map((link) => link?.close()));
  }

  open(jobId: string): JobTail {
    const hub = this.#hub(jobId);
    hub.readers++;
    return {
      first: (after) => this.#shared(hub, after),
      next: (after) => this.#next(hub, after),
      get version() {
        return hub.bell.version;
      },
      changed: (version, withinMs) => hub.bell.changed(version, withinMs),
      close: () => {
        hub.readers--;
        if (hub.readers > 0) return;
        this.#hubs.delete(jobId);
        this.#reading?.ears.redis?.unsubscribe(channelOf(jobId)).catch(() => undefined);
      },
    };
  }

  #link(purpose: string, onReady: (redis: Redis) => void, onLost?: () => void): RedisLink {
    const { address, log } = this.#options;
    return new RedisLink({ address, log, purpose, onReady, ...(onLost && { onLost }) });
  }

  #hub(jobId: string): Hub {
    const found = this.#hubs.get(jobId);
    if (found) return found;
    const hub: Hub = {
      jobId,
      readers: 0,
      bell: new Bell(),
      recent: [],
      pages: new Map(),
      characters: 0,
      floor: undefined,
    };
    this.#hubs.set(jobId, hub);
    if (this.#reading) void this.#listen(hub);
    else this.#reading = { ears: this.#openEars(), eyes: this.#link("read", () => this.#listenToAll()) };
    return hub;
  }

  #openEars(): RedisLink {
    const hear = (redis: Redis) => {
      redis.on("message", (channel: string, text: string) => {
        const hub = this.#hubs.get(channel.slice(channelOf("").length));
        const frame = readFrame(text);
        if (hub && frame) hearFrame(hub, frame);
      });
      this.#listenToAll();
    };
    const lost = () => {
      for (const hub of this.#hubs.values())
        Object.assign(hub, { floor: undefined, recent: [], characters: 0 });
    };
    return this.#link("subscribe", hear, lost);
  }

  #listenToAll(): void {
    for (const hub of this.#hubs.values()) if (hub.floor === undefined) void this.#listen(hub);
  }

  /** From the answer on, all that is newer than the newest that is stored comes in by itself. */
  async #listen(hub: Hub): Promise<void> {
    const ears = this.#reading?.ears.redis;
    const eyes = this.#reading?.eyes.redis;
    if (ears === undefined || eyes === undefined) return;
    try {
      await ears.subscribe(channelOf(hub.jobId));
      const [newest] = await eyes.xrevrange(logOf(hub.jobId), "+", "-", "COUNT", 1);
      if (this.#reading?.ears.redis !== ears) return;
      hub.floor = newest?.[0] ?? "0-0";
      hub.recent = hub.recent.slice(indexAfter(hub.recent, hub.floor));
      hub.bell.ring();
    } catch {
      this.#reading?.ears.drop(); // and again, when it is back
    }
  }

  async #next(hub: Hub, after: string | undefined): Promise<Page> {
    const { floor, recent, jobId } = hub;
    if (floor === undefined || after === undefined || isAfter(floor, after)) {
      const page = await this.#shared(hub, after);
      // Who could not keep up with the window would not in the next one either: on to what is new.
      return page.missed ? { frames: await this.#newest(jobId), missed: true } : page;
    }
    const start = indexAfter(recent, after);
    return { frames: recent.slice(start, start + RECENT_PAGE), missed: false };
  }

  async #shared(hub: Hub, after: string | undefined): Promise<Page> {
    const key = after ?? "-";
    const asked = hub.pages.get(key);
    if (asked) return await asked;
    const page = this.#read(hub.jobId, after);
    hub.pages.set(key, page);
    const [oldest = key] = hub.pages.keys();
    if (hub.pages.size > MOST_PAGES) hub.pages.delete(oldest);
    // A page that is not full is another one a moment later.
    const forget = () => hub.pages.get(key) === page && hub.pages.delete(key);
    page.then(({ frames, missed }) => (missed || frames.length < PAGE) && forget(), forget);
    return await page;
  }

  async #newest(jobId: string): Promise<StoredFrame[]> {
    const entries = await this.#eyes().xrevrange(logOf(jobId), "+", "-", "COUNT", PAGE);
    return entries.reverse().map(([id, fields]) => stored(id, fields));
  }

  #eyes(): Redis {
    const redis = this.#reading?.eyes.redis;
    if (redis === undefined) throw new Error("Redis is away");
    return redis;
  }

  async #read(jobId: string, after: string | undefined): Promise<Page> {
    const entries = await this.#eyes().xrange(logOf(jobId), after ?? "-", "+", "COUNT", PAGE + 1);
    const frames = entries.map(([id, fields]) => stored(id, fields));
    if (after === undefined) return { frames, missed: false };
    const [at, ...rest] = frames;
    return at?.id === after ? { frames: rest, at, missed: false } : { frames, missed: true };
  }
}

function hearFrame(hub: Hub, frame: StoredFrame): void {
  hub.recent.push(frame);
  hub.characters += frame.text.length;
  if (hub.recent.length > MOST_RECENT || hub.characters > MOST_RECENT_CHARACTERS) {
    // Half of it at once: shifting one by one would copy the array each time.
    const gone = hub.recent.splice(0, Math.ceil(hub.recent.length / 2));
    hub.characters -= gone.reduce((sum, { text }) => sum + text.length, 0);
    if (hub.floor !== undefined) hub.floor = gone.at(-1)?.id;
  }
  hub.bell.ring();
}

/** As it was published: `type` and `tail` are what the script was given. */
function stored(id: string, fields: readonly string[]): StoredFrame {
  const [, type = "", , tail = ""] = fields;
  return { id, type, text: headOf(type) + id + tail };
}
