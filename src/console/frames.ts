import { ApiError, api } from "./api.ts";
import type { Frame } from "./types.ts";

/** How far a reader has come: who follows a job again goes on from there. */
export type Place = { lastId: string };

const MOST_WAIT_MS = 15_000;

/**
 * Follows a job's stream until it ends or `signal` aborts. An EventSource could not send a token, so
 * the few rules of its format stand here.
 */
export async function followFrames(
  job: string,
  take: (frame: Frame) => void,
  place: Place,
  signal: AbortSignal,
): Promise<void> {
  for (let failures = 0; !signal.aborted; ) {
    try {
      const headers: Record<string, string> = place.lastId === "" ? {} : { "last-event-id": place.lastId };
      const response = await api.events(job, headers, signal);
      if (response.status === 204 || response.body === null) return;
      for await (const { id, data } of eventsOf(response.body)) {
        if (id !== "") place.lastId = id;
        failures = 0;
        take(JSON.parse(data) as Frame); // the contract of the route
      }
      return; // it was ended, not cut: there is no more
    } catch (error) {
      if (error instanceof ApiError && error.status < 500 && error.status !== 429) throw error;
      failures++;
      await new Promise((done) => setTimeout(done, Math.min(500 * 2 ** failures, MOST_WAIT_MS)));
    }
  }
}

type SentEvent = { id: string; data: string };

async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<SentEvent> {
  const reader = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = parse(block);
      if (event.data !== "") yield event;
    }
  }
}

function parse(block: string): SentEvent {
  const event = { id: "", data: "" };
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    const value = line.slice(at + 1).replace(/^ /, "");
    if (line.startsWith("id:")) event.id = value;
    if (line.startsWith("data:")) event.data += event.data === "" ? value : `\n${value}`;
  }
  return event;
}
