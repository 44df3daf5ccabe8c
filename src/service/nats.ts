import type { Config } from "../config.ts";
import type { Deliverer } from "../delivery/deliverer.ts";
import type { Lifetime } from "../lifetime/lifetime.ts";
import type { Logger } from "../observability/logger.ts";
import type { Database } from "../postgres/database.ts";
import type { Door } from "../runs/door.ts";
import type { Sender } from "../runs/settle.ts";
import type { Worker } from "../runs/worker.ts";

type NatsConfig = NonNullable<Config["nats"]>;

/** The NATS side of the service: where results go to, and once there is a door, where jobs come from. */
export type NatsSide = {
  deliverer: Deliverer;
  isUp: () => boolean;
  /** Results on their way and messages in hand. */
  atWork: () => number;
  take(parts: { door: Door; worker: Worker; sender: Sender }): Promise<void>;
  stopPulling(): Promise<void>;
};

const PUBLISH_SECONDS = 5;

export async function openNats(
  settings: NatsConfig,
  { events, server }: Config,
  db: Database,
  log: Logger,
  lifetime: Lifetime,
): Promise<NatsSide> {
  const { Deliverer } = await import("../delivery/deliverer.ts");
  const { NatsLine } = await import("../nats/line.ts");
  const { publishResults } = await import("../nats/results.ts");
  const own = log.child({ component: "nats" });
  const line = lifetime.own(new NatsLine(settings, own), (each) => each.stop());
  const deliverer = new Deliverer({
    db,
    target: "nats",
    poster: publishResults(line, PUBLISH_SECONDS * 1000),
    attemptSeconds: PUBLISH_SECONDS,
    report: (what, error) => own.warn({ err: error }, `${what} failed`),
  });
  lifetime.own(deliverer, (each) => each.stop());
  const side: { consumer?: { inHand: number; stopPulling(): Promise<void> } } = {};
  return {
    deliverer,
    isUp: () => line.isUp,
    atWork: () => deliverer.underWay + (side.consumer?.inHand ?? 0),
    take: async ({ door, worker, sender }) => {
      const { NatsConsumer } = await import("../nats/consumer.ts");
      const { AdvisoryReader } = await import("../nats/advisories.ts");
      const options = {
        ...{ db, sender, door, line, settings, log: own },
        ...{ ack: settings.ack, acceptRawJobs: settings.acceptRawJobs },
        ...{ typePrefix: events.typePrefix, maxBytes: server.maxBodyBytes },
        sparePlaces: () => worker.sparePlaces,
        wake: () => deliverer.wake(),
      };
      lifetime.own(new AdvisoryReader(options), (each) => each.stop());
      side.consumer = lifetime.own(new NatsConsumer(options), (each) => each.stop());
    },
    stopPulling: async () => await side.consumer?.stopPulling(),
  };
}
