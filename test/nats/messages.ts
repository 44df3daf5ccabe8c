import type { ExecuteEvent } from "../support/agents.ts";
import type { Kept, NatsServer } from "../support/nats-server.ts";

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
