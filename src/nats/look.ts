import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { connectionOptions } from "../delivery/nats-address.ts";
import { greetNats } from "../delivery/nats-greeting.ts";
import type { NatsSettings } from "./settings.ts";
import { missingParts } from "./streams.ts";

const CONNECT_MS = 5000;

/** Logs in as the service would and looks at what it would find; nothing is made. */
export async function lookAtNats(settings: NatsSettings): Promise<string> {
  const { server, version, jetstream } = await greetNats(settings.url);
  if (!jetstream) throw new Error(`${server} is without JetStream: start it with -js`);
  const nc = await connect({
    ...(await connectionOptions(settings)),
    timeout: CONNECT_MS,
    reconnect: false,
  }).catch((error: unknown) => {
    throw new Error(`${server}: ${reasonOf(error)}`, { cause: error });
  });
  try {
    const jsm = await jetstreamManager(nc, { timeout: CONNECT_MS });
    const { length: missing, 0: first } = await missingParts(jsm, settings);
    if (missing > 0 && !settings.manage) throw new Error(`NATS has no ${first}, and NATS_MANAGE=false`);
    const state =
      missing > 0 ? `${missing} streams and consumers are made at the start` : "all streams are there";
    return `NATS ${version} at ${server}, with JetStream; ${state}`;
  } finally {
    await nc.close();
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error ? `${error.message} (${cause.message})` : error.message;
}
