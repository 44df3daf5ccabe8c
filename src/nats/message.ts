import type { MsgHdrs } from "@nats-io/transport-node";
import { AgentError } from "../errors/agent-error.ts";
import { isAttributeText } from "../events/formats.ts";
import type { IncomingEvent } from "../events/incoming.ts";
import { isJsonObject, parseJsonBytes } from "../events/json-text.ts";
import { parseHttpEvent } from "../events/parse.ts";

/** What of a message is looked at; one that was read back from its stream has the same. */
export type Letter = {
  stream: string;
  seq: number;
  time: Date;
  subject: string;
  headers: MsgHdrs | undefined;
  data: Uint8Array;
};

export type ReadOptions = { typePrefix: string; maxBytes: number; acceptRawJobs: boolean };

const MAX_DEPTH = 128;
const STRUCTURED = "application/cloudevents+json";

/**
 * The event of a message, by the NATS binding of CloudEvents: binary mode with `ce-` headers, else
 * structured JSON. The headers mean what they mean over HTTP, so the same reader takes them.
 */
export function readLetter(letter: Letter, options: ReadOptions): IncomingEvent {
  const { data } = letter;
  if (data.length > options.maxBytes) {
    throw new AgentError("body_too_large", `the message is larger than ${options.maxBytes} bytes`);
  }
  const headers = flatHeaders(letter.headers);
  const isBinary = headers.some((name, i) => i % 2 === 0 && name.toLowerCase().startsWith("ce-"));
  if (isBinary || isCloudEventsType(letter.headers)) return readOne(headers, data);
  const raw = options.acceptRawJobs ? readRawJob(letter, options.typePrefix) : undefined;
  return raw ?? readOne(["content-type", STRUCTURED], data);
}

function readOne(headers: readonly string[], data: Uint8Array): IncomingEvent {
  const parsed = parseHttpEvent(headers, data);
  if (parsed.mode !== "batch") return parsed.event;
  throw new AgentError("unsupported_media_type", "A message carries one event: send a batch as messages.");
}

/** As Node hands over those of HTTP: name, value, name, value, each byte one character. */
function flatHeaders(headers: MsgHdrs | undefined): string[] {
  if (headers === undefined) return [];
  return headers
    .keys()
    .flatMap((name) =>
      headers.values(name).flatMap((value) => [name, Buffer.from(value, "utf8").toString("latin1")]),
    );
}

function isCloudEventsType(headers: MsgHdrs | undefined): boolean {
  const type = headers?.keys().find((name) => name.toLowerCase() === "content-type");
  return type !== undefined && /^\s*application\/cloudevents/i.test(headers?.get(type) ?? "");
}

/** Data alone, as senders of the service before this one wrote it: the message itself gives it its id. */
function readRawJob(letter: Letter, typePrefix: string): IncomingEvent | undefined {
  const [value] = parseJsonBytes(letter.data, MAX_DEPTH, { name: "message", envelopeLevels: 1 });
  if (!isJsonObject(value) || Object.hasOwn(value, "specversion")) return undefined;
  const given = letter.headers?.get("Nats-Msg-Id") ?? "";
  const isUsable = given !== "" && given.length <= 256 && isAttributeText(given);
  return {
    specversion: "1.0",
    id: isUsable ? given : idOf(letter),
    source: `/nats/${letter.stream}`,
    type: `${typePrefix}.execute`,
    extensions: new Map(),
    data: { kind: "json", value: isJsonObject(value["data"]) ? value["data"] : value },
  };
}

/** Numbers alone begin anew when a stream is made anew. */
export function idOf({ stream, seq, time }: Letter): string {
  return `${stream}:${seq}:${time.getTime()}`;
}
