import { type ConsumerMessages, type JetStreamManager, jetstream } from "@nats-io/jetstream";
import { AgentError } from "../errors/agent-error.ts";
import { isJsonObject } from "../events/json-text.ts";
import { pause } from "../lifetime/pause.ts";
import { natsMetrics } from "../observability/metrics.ts";
import { isEventKnown } from "../runs/repository.ts";
import type { ConsumerOptions } from "./consumer.ts";
import { knownOf, type Opened, openLetter } from "./delivery.ts";
import type { Open } from "./line.ts";
import type { Letter } from "./message.ts";
import { bury, type Known } from "./refusals.ts";
import { advisoryConsumerOf, deadStreamOf } from "./settings.ts";

const PULL_MS = 5000;
const REST_MS = 500;
const LATER_MS = 2000;

/**
 * Reads what the server says about messages that it delivers no more. It stays in a stream until it was
 * dealt with, so that no message ends in silence, also where all processes were down.
 */
export class AdvisoryReader {
  readonly #options: ConsumerOptions;
  readonly #loop: Promise<void>;
  #stopping = false;
  #pulling: ConsumerMessages | undefined;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#pulling?.stop();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { line, log } = this.#options;
    while (!this.#stopping) {
      try {
        if (line.open && line.isUp) await this.#read(line.open);
        else await pause(REST_MS);
      } catch (error) {
        if (!this.#stopping) log.warn({ err: error }, "advisories could not be read");
        await pause(REST_MS);
      }
    }
  }

  async #read(open: Open): Promise<void> {
    const { stream, consumer } = this.#options.settings;
    const source = await jetstream(open.nc).consumers.get(deadStreamOf(stream), advisoryConsumerOf(consumer));
    const messages = await source.fetch({ max_messages: 10, expires: PULL_MS });
    this.#pulling = messages;
    if (this.#stopping) messages.stop(); // it came while this pull was being opened
    for await (const message of messages) {
      const seq = sequenceOf(message.data);
      try {
        if (seq !== undefined) await this.#endMessage(open, seq);
        message.ack();
      } catch (error) {
        this.#options.log.warn({ err: error, seq }, "a message that was given up could not be buried");
        message.nak(LATER_MS);
      }
    }
  }

  async #endMessage(open: Open, seq: number): Promise<void> {
    const letter = await readBack(open.jsm, this.#options.settings.stream, seq);
    if (letter === undefined) return; // dealt with before
    const opened = openLetter(letter, this.#options);
    const isEvent = opened.kind === "event";
    // A stored event has a run, and that has its own end.
    if (!(isEvent && (await isEventKnown(this.#options.db, opened.event)))) {
      await bury(open, this.#options, letter, gaveUp(), ofRun(opened));
    }
    await open.jsm.streams.deleteMessage(letter.stream, seq, false);
    natsMetrics.ended("exhausted");
    this.#options.log.error({ seq }, "a message was delivered as often as it may be, and is given up");
  }
}

/** What the `failed` event of a run that never was can say; undefined where none was asked for. */
function ofRun(opened: Opened): Known | undefined {
  if (opened.kind === "unreadable") return opened.known;
  if (opened.kind === "nothing") return {};
  const { event, jobId, command } = opened;
  return command.kind === "execute" ? { ...knownOf(event), jobId } : undefined;
}

function gaveUp(): AgentError {
  return new AgentError(
    "deliveries_exhausted",
    "the message was delivered as often as the consumer allows and never became a run",
  );
}

/** Undefined where it names no message: then nobody can do anything about it. */
function sequenceOf(data: Uint8Array): number | undefined {
  try {
    const advisory: unknown = JSON.parse(Buffer.from(data).toString("utf8"));
    const seq = isJsonObject(advisory) ? advisory["stream_seq"] : undefined;
    return typeof seq === "number" ? seq : undefined;
  } catch {
    return undefined;
  }
}

async function readBack(jsm: JetStreamManager, stream: string, seq: number): Promise<Letter | undefined> {
  const stored = await jsm.streams.getMessage(stream, { seq });
  if (stored === null) return undefined;
  return {
    ...{ stream, seq, time: stored.time, subject: stored.subject },
    ...{ headers: stored.header, data: stored.data },
  };
}
