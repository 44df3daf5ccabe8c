import { hostname } from "node:os";
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection, type Status } from "@nats-io/transport-node";
import { connectionOptions } from "../delivery/nats-address.ts";
import { greetNats } from "../delivery/nats-greeting.ts";
import { pause } from "../lifetime/pause.ts";
import type { Logger } from "../observability/logger.ts";
import { natsMetrics } from "../observability/metrics.ts";
import type { NatsSettings } from "./settings.ts";
import { prepareStreams } from "./streams.ts";

/** An open connection, with streams and consumers that were looked at. */
export type Open = { nc: NatsConnection; js: JetStreamClient; jsm: JetStreamManager };

const CONNECT_MS = 5000;
const LONGEST_REST_MS = 5000;

/** The connection to NATS: it is made in the background and made again, and nobody else waits for it. */
export class NatsLine {
  readonly #settings: NatsSettings;
  readonly #log: Logger;
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  #open: Open | undefined;
  #isUp = false;

  constructor(settings: NatsSettings, log: Logger) {
    this.#settings = settings;
    this.#log = log;
    this.#loop = this.#keepOpen();
  }

  /** Undefined as long as NATS was never reached; while the line is broken it is the broken one. */
  get open(): Open | undefined {
    return this.#open;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const nc = this.#open?.nc;
    // Acknowledgements that were written must get out; a server that is away is not waited for.
    if (nc && this.#isUp) await Promise.race([nc.drain().catch(() => undefined), pause(2000)]);
    await nc?.close();
    await this.#loop;
  }

  async #keepOpen(): Promise<void> {
    for (let tries = 0; !this.#stopping.signal.aborted; tries++) {
      let nc: NatsConnection | undefined;
      try {
        nc = await this.#connect();
        const jsm = await jetstreamManager(nc, { timeout: CONNECT_MS });
        await prepareStreams(jsm, this.#settings);
        this.#open = { nc, jsm, js: jetstream(nc) };
        this.#isUp = true;
        tries = 0;
        this.#log.info({ server: nc.getServer() }, "connected to NATS");
        await this.#watch(nc);
      } catch (error) {
        if (!this.#stopping.signal.aborted) this.#log.warn({ err: error }, "NATS is not usable yet");
      }
      this.#isUp = false;
      await nc?.close().catch(() => undefined); // it is being given up anyhow
      if (!this.#stopping.signal.aborted) await pause(Math.min(250 * 2 ** tries, LONGEST_REST_MS));
    }
  }

  async #connect(): Promise<NatsConnection> {
    await greetNats(this.#settings.url);
    return await connect({
      ...(await connectionOptions(this.#settings)),
      name: `agent-executor ${hostname()}`,
      timeout: CONNECT_MS,
      pingInterval: 10_000,
      maxPingOut: 2,
      reconnectTimeWait: 500,
      maxReconnectAttempts: -1,
    });
  }

  /** Tells what becomes of the connection; comes back when it is closed for good. */
  async #watch(nc: NatsConnection): Promise<void> {
    for await (const status of nc.status()) this.#note(status);
    const error = await nc.closed();
    if (error instanceof Error) throw error;
  }

  #note(status: Status): void {
    switch (status.type) {
      case "disconnect":
        this.#isUp = false;
        natsMetrics.disconnected();
        this.#log.warn("the connection to NATS broke");
        break;
      case "reconnect":
        this.#isUp = true;
        this.#log.info({ server: status.server }, "connected to NATS again");
        break;
      case "slowConsumer":
        natsMetrics.slow();
        this.#log.warn({ pending: status.pending }, "NATS messages come faster than they are read");
        break;
      case "error":
        this.#log.warn({ err: status.error }, "NATS refuses something");
        break;
      default: // what remains changes nothing for us
    }
  }
}
