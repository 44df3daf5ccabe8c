import { type IncomingMessage, request } from "node:http";
import { witness } from "./witness.ts";

/** One event as it stood on the line. */
export type SseEvent = { event: string; id: string | undefined; data: FrameData; raw: string };
export type FrameData = {
  event_type: string;
  data: Record<string, unknown> & { run_id: string; attempt: number };
};

export type SseReader = {
  events: SseEvent[];
  /** Resolves with the status when the stream has ended, or was cut. */
  ended: Promise<number>;
  cut(): void;
};

/** Reads a stream until it ends; `onEvent` may cut it. An event that is not whole is not one. */
export function readStream(
  url: string,
  { lastEventId, onEvent }: { lastEventId?: string | undefined; onEvent?: (event: SseEvent) => void } = {},
): SseReader {
  const events: SseEvent[] = [];
  const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  let isCut = false;
  const asked = request(url, { agent: false, headers });
  const ended = new Promise<number>((resolve, reject) => {
    asked.once("response", (response: IncomingMessage) => {
      let rest = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        if (isCut) return;
        rest += text;
        for (let end = rest.indexOf("\n\n"); end >= 0 && !isCut; end = rest.indexOf("\n\n")) {
          const raw = rest.slice(0, end + 2);
          rest = rest.slice(end + 2);
          witness.see("frames", raw);
          const event = parse(raw);
          if (event === undefined) continue;
          events.push(event);
          onEvent?.(event);
        }
      });
      response.once("close", () => resolve(response.statusCode ?? 0)).on("error", () => undefined);
    });
    asked.once("error", (error) => (isCut ? resolve(0) : reject(error))).end();
  });
  const cut = () => {
    isCut = true;
    asked.destroy();
  };
  return { events, ended, cut };
}

/** Undefined for a comment, as heartbeats are. */
function parse(raw: string): SseEvent | undefined {
  const fields = new Map(
    raw.split("\n").map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]),
  );
  const { event, id, data } = Object.fromEntries(fields) as Record<string, string | undefined>;
  if (event === undefined || data === undefined) return undefined;
  return { event, id, data: JSON.parse(data) as FrameData, raw };
}
