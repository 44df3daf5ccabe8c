import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import {
  connect,
  type NatsConnection,
  type NodeConnectionOptions,
  headers as newHeaders,
} from "@nats-io/transport-node";
import { thisMachine } from "./machine.ts";
import { killWithUs } from "./reaper.ts";
import { serviceKinds } from "./service-kinds.ts";
import { freePort, until } from "./wait.ts";
import { witness } from "./witness.ts";

export type Kept = { subject: string; seq: number; text: string; headers: Record<string, string> };

/** A nats-server of one's own with JetStream on disk, which may be killed and comes back with what it had. */
export class NatsServer {
  readonly port: number;
  readonly url: string;
  readonly #program: string;
  readonly #folder: string;
  readonly #args: readonly string[];
  readonly #login: NodeConnectionOptions;
  #child: ChildProcess | undefined;
  #client: Promise<NatsConnection> | undefined;

  private constructor(port: number, folder: string, args: readonly string[], login: NodeConnectionOptions) {
    const { programs, places } = serviceKinds.nats;
    const found = thisMachine().folderWith(programs, places);
    if (found === undefined) throw new Error("these tests start a nats-server of their own: install one");
    this.#program = join(found, "nats-server");
    this.#folder = folder;
    this.#args = args;
    this.#login = login;
    this.port = port;
    this.url = `nats://127.0.0.1:${port}`;
  }

  static async start(
    args: readonly string[] = [],
    login: NodeConnectionOptions = {},
    port?: number,
  ): Promise<NatsServer> {
    const folder = await mkdtemp(join(tmpdir(), "nats-of-test-"));
    const server = new NatsServer(port ?? (await freePort()), folder, args, login);
    await server.up();
    return server;
  }

  async up(): Promise<void> {
    const own = ["-a", "127.0.0.1", "-p", String(this.port), "-js", "-sd", this.#folder];
    this.#child = spawn(this.#program, [...own, ...this.#args], { stdio: "ignore" });
    killWithUs(this.#child);
    const answers = () => serviceKinds.nats.version(this.url);
    await until(answers, { what: `nats-server on port ${this.port}`, timeoutMs: 15_000 });
  }

  /** Gone as by a power cut. */
  async down(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.kill(signal);
    await exit;
  }

  async restart(): Promise<void> {
    await this.down();
    await this.up();
  }

  /** A client of the test's own; it comes back after restarts. */
  async client(): Promise<NatsConnection> {
    // One for all who ask at the same time; one that failed is no client.
    this.#client ??= connect({
      servers: `127.0.0.1:${this.port}`,
      ...this.#login,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    }).catch((error: unknown) => {
      this.#client = undefined;
      throw error;
    });
    return await this.#client;
  }

  async manager(): Promise<JetStreamManager> {
    return await jetstreamManager(await this.client());
  }

  /** Publishes until JetStream has it. */
  async send(subject: string, body: unknown, given: Record<string, string> = {}): Promise<number> {
    const own = newHeaders();
    for (const [name, value] of Object.entries(given)) own.set(name, value);
    const data = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
    const js = jetstream(await this.client());
    return (await js.publish(subject, data, { headers: own })).seq;
  }

  /** All that a stream holds, the oldest first. */
  async kept(stream: string): Promise<Kept[]> {
    const jsm = await this.manager();
    const { state } = await jsm.streams.info(stream);
    const all: Kept[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await jsm.streams.getMessage(stream, { seq }).catch(() => null); // deleted ones are gaps
      if (message === null) continue;
      const names = message.header?.keys() ?? [];
      const headers = Object.fromEntries(names.map((name) => [name, message.header?.get(name) ?? ""]));
      const text = Buffer.from(message.data).toString("utf8");
      witness.see("events", JSON.stringify(headers) + text);
      all.push({ subject: message.subject, seq, text, headers });
    }
    return all;
  }

  async close(): Promise<void> {
    await (await this.#client?.catch(() => undefined))?.close();
    await this.down();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
