/** The payload, after the content type has said how to read it. */
export type EventData =
  | { kind: "none" }
  | { kind: "json"; value: unknown }
  | { kind: "bytes"; bytes: Uint8Array };

/** The context attributes of a CloudEvent as the sender wrote them; `time` is text and keeps its offset. */
export type EventAttributes = {
  id: string;
  source: string;
  type: string;
  specversion: "1.0";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  dataschema?: string;
  extensions: ReadonlyMap<string, string | number | boolean>;
};

/** One CloudEvent that has passed every rule of the envelope; its data may still be anything. */
export type IncomingEvent = EventAttributes & { data: EventData };

/** What one request carried, and in which content mode. */
export type ParsedHttp =
  | { mode: "binary" | "structured"; event: IncomingEvent }
  | { mode: "batch"; events: IncomingEvent[] };
