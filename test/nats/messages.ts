import type { ExecuteEvent } from "../support/agents.ts";
import type { Kept, NatsServer } from "../support/nats-server.ts";
import { until } from "../support/wait.ts";

export type ResultEvent = { id: string; type: string; subject: string; data: Record<string, unknown> };
export type Result = Kept & { event: ResultEvent; cause: string };

/** The event as one JSON object. */
export function structured(event: ExecuteEvent): Record<string, unknown> {
  return { specversion: "1.0", ...event };
}

/** The event's attributes as headers, as the NATS binding has them. */
export function binary({ id, source, type }: ExecuteEvent): Record<string, string> {
  return {
    ...{ "ce-specversion": "1.0", "ce-id": id, "ce-source": source, "ce-type": type },
    "content-type": "application/json",
  };
}

export async function resultsOf(nats: NatsServer): Promise<Result[]> {
  return (await nats.kept("AGENT_RESULTS")).map((kept) => {
    const event = JSON.parse(kept.text) as ResultEvent & { causationid: string }; // we know the sender
    return { ...kept, event, cause: event.causationid };
  });
}

/** The result that an event caused. */
export async function resultFor(nats: NatsServer, eventId: string, timeoutMs = 10_000): Promise<Result> {
  return await until(async () => (await resultsOf(nats)).find(({ cause }) => cause === eventId), {
    what: `the result of ${eventId}`,
    timeoutMs,
  });
}

export async function consumerState(nats: NatsServer) {
  return await (await nats.manager()).consumers.info("AGENT_EXECUTION", "agent-executor-workers");
}

/** A work queue holds what is not acknowledged. */
export async function isAllAcknowledged(nats: NatsServer): Promise<boolean> {
  const { state } = await (await nats.manager()).streams.info("AGENT_EXECUTION");
  return state.messages === 0;
}
