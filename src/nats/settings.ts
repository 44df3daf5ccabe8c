import type { NatsLogin } from "../delivery/nats-address.ts";

/** What the NATS door is told by the environment. */
export type NatsSettings = NatsLogin & {
  stream: string;
  consumer: string;
  resultsStream: string;
  /** Makes the streams and the consumer where they are missing; else they are only looked for. */
  manage: boolean;
  replicas: number;
  /** When a message is acknowledged. */
  ack: "outcome" | "stored";
  ackWaitSeconds: number;
  maxDeliver: number;
  acceptRawJobs: boolean;
};

/** Subjects are part of the contract: senders and receivers have them in their code. */
export const subjects = {
  work: ["agent.execute.*", "agent.resume.*", "agent.cancel.*"],
  results: "agent.status.*",
  resultOf: (kind: string) => `agent.status.${kind}`,
  dead: "agent.dead",
  /** Where the server says that it gave a message up. */
  exhausted: (stream: string, consumer: string) =>
    `$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.${stream}.${consumer}`,
} as const;

/** Keeps dead letters, and what the server says about messages that it gave up. */
export const deadStreamOf = (stream: string) => `${stream}_DEAD`;
/** Reads what the server says; it is a consumer, so that nothing is missed while no process lives. */
export const advisoryConsumerOf = (consumer: string) => `${consumer}-advisories`;
