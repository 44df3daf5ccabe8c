import type { Findings } from "./findings.ts";
import type { Given } from "./variables.ts";

/** The other door, if there is one. */
export function chooseNats(given: Given, { problems }: Findings) {
  const { NATS_URL: url } = given;
  if (url === undefined) return undefined;
  if (!url.split(",").every(isNatsUrl)) {
    problems.push("NATS_URL: the value is not usable; expected nats://host:port or tls://host:port");
  }
  return {
    url,
    credsFile: given.NATS_CREDS_FILE,
    caFile: given.NATS_CA_FILE,
    stream: given.NATS_STREAM_NAME,
    consumer: given.NATS_CONSUMER_GROUP,
    resultsStream: given.NATS_RESULTS_STREAM,
    manage: given.NATS_MANAGE ?? true,
    replicas: given.NATS_REPLICAS,
    ack: given.NATS_ACK,
    ackWaitSeconds: given.NATS_ACK_WAIT_SECONDS,
    maxDeliver: given.NATS_MAX_DELIVER,
    acceptRawJobs: given.ACCEPT_RAW_JOBS ?? false,
  };
}

function isNatsUrl(text: string): boolean {
  const url = text.trim().includes("://") ? text.trim() : `nats://${text.trim()}`;
  return /^(nats|tls):\/\//i.test(url) && URL.canParse(url) && new URL(url).hostname !== "";
}
