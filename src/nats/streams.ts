import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { advisoryConsumerOf, deadStreamOf, type NatsSettings, subjects } from "./settings.ts";

type Stream = Partial<StreamConfig> & { name: string; subjects: string[] };
type Consumer = Partial<ConsumerConfig> & { durable_name: string };

const DAY_MS = 86_400_000;
const MOST_MESSAGES = 1_000_000;
/** A result that is sent again within so long is known by its id. */
const DUPLICATES_MS = 3_600_000;

/** What there must be, as it is made where it is missing. docs/nats.md says the same to operators. */
export function wantedStreams(settings: NatsSettings): Stream[] {
  const { stream, consumer, resultsStream, replicas } = settings;
  const common = { storage: StorageType.File, num_replicas: replicas, max_msgs: MOST_MESSAGES };
  return [
    {
      ...common,
      name: stream,
      subjects: [...subjects.work],
      retention: RetentionPolicy.Workqueue,
      max_age: nanos(7 * DAY_MS),
      // Full means that a sender is refused, and knows: the oldest work must not vanish.
      discard: DiscardPolicy.New,
    },
    {
      ...common,
      name: resultsStream,
      subjects: [subjects.results],
      retention: RetentionPolicy.Limits,
      max_age: nanos(7 * DAY_MS),
      discard: DiscardPolicy.Old,
      duplicate_window: nanos(DUPLICATES_MS),
    },
    {
      ...common,
      name: deadStreamOf(stream),
      subjects: [subjects.dead, subjects.exhausted(stream, consumer)],
      retention: RetentionPolicy.Limits,
      max_age: nanos(30 * DAY_MS),
      discard: DiscardPolicy.Old,
      duplicate_window: nanos(DUPLICATES_MS),
    },
  ];
}

export function wantedConsumers(settings: NatsSettings): { stream: string; consumer: Consumer }[] {
  const { stream, consumer, ackWaitSeconds, maxDeliver } = settings;
  const common = { ack_policy: AckPolicy.Explicit, deliver_policy: DeliverPolicy.All };
  return [
    {
      stream,
      consumer: {
        ...common,
        durable_name: consumer,
        ack_wait: nanos(ackWaitSeconds * 1000),
        max_deliver: maxDeliver,
        max_ack_pending: 10_000,
      },
    },
    {
      stream: deadStreamOf(stream),
      consumer: {
        ...common,
        durable_name: advisoryConsumerOf(consumer),
        filter_subject: subjects.exhausted(stream, consumer),
        ack_wait: nanos(30_000),
        max_deliver: -1,
      },
    },
  ];
}

/** Makes what is missing, or says what is missing; what is there stays as its owner made it. */
export async function prepareStreams(jsm: JetStreamManager, settings: NatsSettings): Promise<void> {
  const [first] = settings.manage ? [] : await missingParts(jsm, settings);
  if (first !== undefined) throw missing(first);
  for (const stream of wantedStreams(settings)) {
    if (!(await isThere(() => jsm.streams.info(stream.name)))) await jsm.streams.add(stream);
  }
  for (const { stream, consumer } of wantedConsumers(settings)) {
    const info = await isThere(() => jsm.consumers.info(stream, consumer.durable_name));
    if (info === undefined) await jsm.consumers.add(stream, consumer);
    else checkConsumer(info);
  }
}

/** In words, for people. */
export async function missingParts(jsm: JetStreamManager, settings: NatsSettings): Promise<string[]> {
  const parts: string[] = [];
  for (const { name, subjects: on } of wantedStreams(settings)) {
    if (!(await isThere(() => jsm.streams.info(name)))) parts.push(`stream ${name} on ${on.join(", ")}`);
  }
  for (const { stream, consumer } of wantedConsumers(settings)) {
    const { durable_name: name } = consumer;
    const info = await isThere(() => jsm.consumers.info(stream, name));
    if (info === undefined) parts.push(`consumer ${name} of stream ${stream}`);
  }
  return parts;
}

/** The wait of the consumer as it stands on the server: it may be older than the setting. */
export async function ackWaitMs(jsm: JetStreamManager, settings: NatsSettings): Promise<number> {
  const { config } = await jsm.consumers.info(settings.stream, settings.consumer);
  return (config.ack_wait ?? nanos(settings.ackWaitSeconds * 1000)) / 1_000_000;
}

function checkConsumer({ name, config }: ConsumerInfo): void {
  if (config.deliver_subject !== undefined || config.ack_policy !== AckPolicy.Explicit) {
    throw new Error(
      `the NATS consumer ${name} must be a pull consumer with explicit acknowledgement: delete it, or name another one by NATS_CONSUMER_GROUP`,
    );
  }
}

function missing(what: string): Error {
  return new Error(
    `NATS has no ${what}, and NATS_MANAGE=false: make it as docs/nats.md says, or let it be made`,
  );
}

const NOT_FOUND = 404;

async function isThere<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof JetStreamApiError && error.apiError().code === NOT_FOUND) return undefined;
    throw error;
  }
}
