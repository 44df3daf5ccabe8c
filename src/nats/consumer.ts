import type { Consumer, ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import { AgentError } from "../errors/agent-error.ts";
import { crashPoint } from "../lifetime/crash-point.ts";
import { pause } from "../lifetime/pause.ts";
import type { Logger } from "../observability/logger.ts";
import { natsMetrics } from "../observability/metrics.ts";
import { type DeliveryOptions, deliver, openLetter, type Verdict } from "./delivery.ts";
import type { NatsLine, Open } from "./line.ts";
import type { Letter } from "./message.ts";
import { bury, type RefusalTools } from "./refusals.ts";
import type { NatsSettings } from "./settings.ts";
import { ackWaitMs } from "./streams.ts";

export type ConsumerOptions = DeliveryOptions &
  RefusalTools & {
    line: NatsLine;
    settings: NatsSettings;
    /** How many more runs could begin in this process, with none waiting for the place. */
    sparePlaces: () => number;
    log: Logger;
  };

const PULL_MS = 5000;
const REST_MS = 500;
/** How soon a place that fell free is seen. */
const LOOK_MS = 20;
/** Messages that only wait for the turn of their job hold no place; so many of them may lie here. */
const MOST_IN_HAND = 1000;
const MOST_BYTES_IN_HAND = 64 * 1024 * 1024;
const LONGEST_LATER_SECONDS = 60;

/** Pulls what can run, keeps the server patient while it runs, and acknowledges what is settled. */
export class NatsConsumer {
  readonly #options: ConsumerOptions;
  readonly #inHand = new Map<JsMsg, number>();
  readonly #work = new Set<Promise<void>>();
  /** Of one job the events are stored in the order in which they came. */
  readonly #lastOfJob = new Map<string, Promise<void>>();
  readonly #loop: Promise<void>;
  #notStored = 0;
  #bytes = 0;
  #stopping = false;
  #pulling: ConsumerMessages | undefined;
  #working: { open: Open; timer: NodeJS.Timeout } | undefined;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  /** Messages that are not acknowledged: work of this process, though no request holds it. */
  get inHand(): number {
    return this.#inHand.size;
  }

  /** Pulls no more. */
  async stopPulling(): Promise<void> {
    this.#stopping = true;
    this.#pulling?.stop();
    await this.#loop;
  }

  /** Waits a moment for what is in hand; its runs have ended or were handed over by now. */
  async stop(): Promise<void> {
    await this.stopPulling();
    await Promise.race([Promise.all(this.#work), pause(2000)]);
    clearInterval(this.#working?.timer);
  }

  async #run(): Promise<void> {
    const { line, log } = this.#options;
    while (!this.#stopping) {
      try {
        const { open } = line;
        if (open === undefined || !line.isUp) await pause(REST_MS);
        else await this.#pullFrom(open);
      } catch (error) {
        if (!this.#stopping) log.warn({ err: error }, "no messages could be pulled");
        await pause(REST_MS);
      }
    }
  }

  async #pullFrom(open: Open): Promise<void> {
    const { line, settings } = this.#options;
    const { stream, consumer: name } = settings;
    const consumer = await open.js.consumers.get(stream, name);
    await this.#keepPatient(open);
    while (!this.#stopping && line.isUp && line.open === open) {
      const room = this.#room();
      if (room > 0) await this.#pull(consumer, room);
      else await this.#waitForRoom();
    }
  }

  /** A place is free where a run could begin; what was pulled and is not stored yet will take one. */
  #room(): number {
    if (this.#inHand.size >= MOST_IN_HAND || this.#bytes >= MOST_BYTES_IN_HAND) return 0;
    return Math.min(this.#options.sparePlaces() - this.#notStored, MOST_IN_HAND - this.#inHand.size);
  }

  async #waitForRoom(): Promise<void> {
    const startedAt = performance.now();
    while (!this.#stopping && this.#room() <= 0) await pause(LOOK_MS);
    natsMetrics.paused((performance.now() - startedAt) / 1000);
  }

  async #pull(consumer: Consumer, most: number): Promise<void> {
    const messages = await consumer.fetch({ max_messages: most, expires: PULL_MS });
    this.#pulling = messages;
    if (this.#stopping) messages.stop(); // it came while this pull was being opened
    for await (const message of messages) this.#take(message);
  }

  #take(message: JsMsg): void {
    if (message.redelivered) natsMetrics.redelivered();
    const bytes = message.data.length;
    this.#inHand.set(message, bytes);
    this.#bytes += bytes;
    natsMetrics.inHand(this.#inHand.size);
    const work = this.#handle(message).finally(() => {
      this.#inHand.delete(message);
      this.#bytes -= bytes;
      this.#work.delete(work);
      natsMetrics.inHand(this.#inHand.size);
    });
    this.#work.add(work);
  }

  async #handle(message: JsMsg): Promise<void> {
    const letter: Letter = { ...pick(message), stream: this.#options.settings.stream };
    try {
      crashPoint("nats: pulled, not stored");
      const verdict = await this.#verdictOn(letter);
      crashPoint("nats: settled, not acknowledged");
      await this.#carryOut(verdict, message, letter);
    } catch (error) {
      this.#options.log.warn({ err: error, seq: letter.seq }, "a message could not be dealt with");
      message.nak(1000 * backOff(message.info.deliveryCount, 1));
    }
  }

  async #verdictOn(letter: Letter): Promise<Verdict> {
    if (this.#stopping) return later(new AgentError("shutting_down", "this process is stopping"));
    this.#notStored++;
    let isCounted = true;
    const stored = () => {
      if (isCounted) this.#notStored--;
      isCounted = false;
    };
    try {
      const opened = openLetter(letter, this.#options);
      if (opened.kind === "nothing") return { kind: "done" };
      if (opened.kind === "unreadable") return { kind: "dead", error: opened.error, known: opened.known };
      return await this.#inTurn(opened.jobId, (isStored) =>
        deliver(opened, letter, this.#options, () => {
          stored();
          isStored();
        }),
      );
    } finally {
      stored();
    }
  }

  /** The next of a job begins when the one before it is stored; whether that has ended is no matter. */
  async #inTurn<T>(jobId: string, work: (isStored: () => void) => Promise<T>): Promise<T> {
    const before = this.#lastOfJob.get(jobId);
    let isStored: () => void = () => undefined;
    const own = new Promise<void>((done) => {
      isStored = done;
    });
    this.#lastOfJob.set(jobId, own);
    try {
      await before;
      return await work(isStored);
    } finally {
      isStored();
      if (this.#lastOfJob.get(jobId) === own) this.#lastOfJob.delete(jobId);
    }
  }

  async #carryOut(verdict: Verdict, message: JsMsg, letter: Letter): Promise<void> {
    const { log, line } = this.#options;
    switch (verdict.kind) {
      case "done":
        message.ack();
        natsMetrics.ended("acknowledged");
        return;
      case "later": {
        const seconds = backOff(message.info.deliveryCount, verdict.seconds);
        const code = verdict.error instanceof AgentError ? verdict.error.code : undefined;
        log.info(
          { seq: letter.seq, code, err: code ? undefined : verdict.error, seconds },
          "message put off",
        );
        // While Postgres is away each delivery would be spent for nothing: the message stays here meanwhile.
        if (verdict.isOutage) await pause(1000 * seconds);
        message.nak(verdict.isOutage ? 0 : 1000 * seconds);
        natsMetrics.ended("later");
        return;
      }
      case "dead":
        if (line.open === undefined) throw new Error("NATS is not connected");
        await bury(line.open, this.#options, letter, verdict.error, verdict.known);
        crashPoint("nats: buried, not ended");
        message.term(verdict.error.code);
        // Servers up to 2.10 keep a terminated message in a work queue, where it would count against its limits.
        await line.open.jsm.streams.deleteMessage(letter.stream, letter.seq, false).catch(() => undefined);
        natsMetrics.ended("dead");
        log.warn({ seq: letter.seq, code: verdict.error.code }, "message refused for good");
    }
  }

  /** Tells the server that the work goes on, three times within its wait. */
  async #keepPatient(open: Open): Promise<void> {
    if (this.#working?.open === open) return;
    clearInterval(this.#working?.timer);
    const everyMs = (await ackWaitMs(open.jsm, this.#options.settings)) / 3;
    const timer = setInterval(() => {
      for (const message of this.#inHand.keys()) message.working();
    }, everyMs);
    this.#working = { open, timer: timer.unref() };
  }
}

function pick({ seq, time, subject, headers, data }: JsMsg): Omit<Letter, "stream"> {
  return { seq, time, subject, headers, data };
}

function later(error: AgentError): Verdict {
  return { kind: "later", error, seconds: 1, isOutage: false };
}

/** Half fixed, half by chance, and longer each time: what was refused together must not come back together. */
function backOff(deliveries: number, least: number): number {
  const grown = Math.max(least, Math.min(2 ** Math.min(deliveries - 1, 10), LONGEST_LATER_SECONDS));
  return grown * (0.75 + Math.random() / 2);
}
