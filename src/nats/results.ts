import { JetStreamApiError } from "@nats-io/jetstream";
import { headers } from "@nats-io/transport-node";
import type { Poster, PostResult } from "../delivery/post.ts";
import type { OutgoingEvent } from "../events/outgoing.ts";
import type { NatsLine } from "./line.ts";
import { subjects } from "./settings.ts";

const STRUCTURED = "application/cloudevents+json";

/** Publishes results, whole as they are stored; the stream knows a second copy by the event's id. */
export function publishResults(line: NatsLine, timeoutMs: number): Poster {
  const post = async (event: string): Promise<PostResult> => {
    const { open } = line;
    if (open === undefined || !line.isUp) return { kind: "later", reason: "NATS is not connected" };
    const { id, type } = JSON.parse(event) as OutgoingEvent; // our own bytes
    const { max_payload: most = Number.POSITIVE_INFINITY } = open.nc.info ?? {};
    if (Buffer.byteLength(event) + HEADERS_BYTES > most) {
      return { kind: "refused", reason: `larger than the ${most} bytes that NATS takes (max_payload)` };
    }
    const own = headers();
    own.set("content-type", STRUCTURED);
    try {
      const subject = subjects.resultOf(type.slice(type.lastIndexOf(".") + 1));
      await open.js.publish(subject, event, { msgID: id, headers: own, timeout: timeoutMs, retries: 0 });
      return { kind: "taken" };
    } catch (error) {
      return { kind: "later", reason: reasonOf(error) };
    }
  };
  return { post, close: () => undefined }; // the line is closed by who opened it
}

/** Content type and message id, with room to spare. */
const HEADERS_BYTES = 512;

function reasonOf(error: unknown): string {
  if (error instanceof JetStreamApiError) return `NATS says: ${error.message}`;
  return error instanceof Error ? `NATS: ${error.name}` : "NATS failed";
}
