/** An event as it reached the sink. Attributes are text, as on the wire; `data` is parsed when it is JSON. */
export type SinkEvent = {
  specversion: string;
  id: string;
  source: string;
  type: string;
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  causationid?: string;
  data?: unknown;
  [extension: string]: unknown;
};
export type Reading = { event: SinkEvent | undefined; problems: string[] };

const REQUIRED = ["specversion", "id", "source", "type"];
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** Reads one request as a strict receiver would, and lists what such a receiver could object to. */
export function readSinkEvent(rawHeaders: readonly string[], body: Buffer): Reading {
  const problems: string[] = [];
  const headers = pairs(rawHeaders);
  for (const name of new Set(headers.map(([name]) => name))) {
    const count = headers.filter(([other]) => other === name).length;
    if (count > 1 && (name.startsWith("ce-") || name === "content-type")) {
      problems.push(`${name} is there ${count} times`);
    }
  }
  const contentType = headers.find(([name]) => name === "content-type")?.[1];
  const mediaType = contentType?.split(";")[0]?.trim().toLowerCase() ?? "";
  const event =
    mediaType === "application/cloudevents+json"
      ? structured(body, problems)
      : binary(headers, contentType, body, problems);
  if (mediaType.startsWith("application/cloudevents") && mediaType !== "application/cloudevents+json") {
    problems.push(`content-type ${mediaType} is neither binary nor structured JSON mode`);
  }
  checkAttributes(event, problems);
  const whole = REQUIRED.every((name) => typeof event?.[name] === "string");
  return { event: whole ? (event as SinkEvent) : undefined, problems }; // the line before has looked
}

type Attributes = Record<string, unknown>;

function pairs(rawHeaders: readonly string[]): [name: string, value: string][] {
  return rawHeaders.flatMap((name, at) =>
    at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1] ?? ""] as [string, string]] : [],
  );
}

function structured(body: Buffer, problems: string[]): Attributes | undefined {
  const event = json(body, problems);
  if (typeof event === "object" && event !== null && !Array.isArray(event)) {
    if ("data" in event && "data_base64" in event) problems.push("data and data_base64 are both there");
    return event as Attributes; // an object that came from JSON
  }
  problems.push("the body of a structured event is not a JSON object");
  return undefined;
}

function binary(
  headers: readonly (readonly [string, string])[],
  contentType: string | undefined,
  body: Buffer,
  problems: string[],
): Attributes {
  const event: Attributes = Object.create(null); // an extension may be called "constructor"
  for (const [header, value] of headers) {
    if (!header.startsWith("ce-")) continue;
    const name = header.slice(3);
    if (!/^[a-z0-9]+$/.test(name)) problems.push(`${header} is not an attribute name`);
    if (name === "datacontenttype") problems.push("ce-datacontenttype is there: content-type says it");
    event[name] = decode(header, value, problems);
  }
  if (contentType !== undefined) event["datacontenttype"] = contentType;
  if (body.length === 0) return event;
  if (contentType === undefined) problems.push("there is a body and no content-type");
  const isJson = /^[^;]*[/+]json\s*(;|$)/i.test(contentType ?? "");
  event["data"] = isJson ? json(body, problems) : body;
  return event;
}

/** Space, `"`, `%` and all that is not printable ASCII travels percent-encoded as UTF-8, in upper-case hex. */
function decode(header: string, value: string, problems: string[]): string {
  if (/[^\x21-\x7e]|"/.test(value)) problems.push(`${header} holds bytes that must be percent-encoded`);
  if (/%(?![0-9A-F]{2})/.test(value)) problems.push(`${header} holds a % without two upper-case hex digits`);
  try {
    return decodeURIComponent(value);
  } catch {
    problems.push(`${header} is not percent-encoded UTF-8`);
    return value;
  }
}

function json(body: Buffer, problems: string[]): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    problems.push(`the body is not JSON in UTF-8: ${String(error)}`);
    return undefined;
  }
}

function checkAttributes(event: Attributes | undefined, problems: string[]): void {
  if (!event) return;
  for (const name of REQUIRED) {
    if (event[name] === undefined || event[name] === "") problems.push(`${name} is missing`);
  }
  if (event["specversion"] !== undefined && event["specversion"] !== "1.0") {
    problems.push(`specversion is ${JSON.stringify(event["specversion"])}`);
  }
  const { time } = event;
  if (time !== undefined && !(typeof time === "string" && RFC3339.test(time))) {
    problems.push(`time is ${JSON.stringify(time)}, not RFC 3339`);
  }
  for (const [name, value] of Object.entries(event)) {
    if (name === "data" || name === "data_base64") continue;
    if (!/^[a-z0-9]+$/.test(name)) problems.push(`${name} is not an attribute name`);
    if (typeof value === "object" && value !== null) problems.push(`${name} is an object`);
  }
}
