import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";

const RECONNECT_MS = 1000;

/** One connection that only listens, for as long as nobody stops it. */
export class Listener {
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;

  constructor(
    connection: pg.ClientConfig,
    channel: string,
    hear: (payload: string) => void,
    report: (error: unknown) => void,
  ) {
    this.#loop = this.#run(connection, channel, hear, report);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
  }

  async #run(
    connection: pg.ClientConfig,
    channel: string,
    hear: (payload: string) => void,
    report: (error: unknown) => void,
  ): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const client = new pg.Client(connection);
      try {
        await this.#listen(client, channel, hear);
      } catch (error) {
        if (!signal.aborted) report(error);
      }
      await client.end().catch(() => undefined); // it may be broken: that is why we are here
      await delay(RECONNECT_MS, undefined, { signal }).catch(() => undefined); // stop() wakes it
    }
  }

  /** Ends when the connection does, or with `stop`. */
  async #listen(client: pg.Client, channel: string, hear: (payload: string) => void): Promise<void> {
    const broken = new Promise<void>((resolve, reject) => {
      client.on("error", reject);
      client.on("end", resolve);
      this.#stopping.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    broken.catch(() => undefined); // if connecting fails first, that is what is thrown
    client.on("notification", ({ payload }) => hear(payload ?? ""));
    await client.connect();
    await client.query(`listen ${client.escapeIdentifier(channel)}`);
    await broken;
  }
}
