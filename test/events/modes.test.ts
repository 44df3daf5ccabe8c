import { describe, expect, it } from "vitest";
import {
  BINARY_HEADERS,
  batch,
  binary,
  ENVELOPE,
  parse,
  parseOne,
  refusalOf,
  structured,
} from "./requests.ts";

describe("choosing the content mode", () => {
  it.each([
    "application/cloudevents+json",
    "Application/CloudEvents+JSON",
    "application/cloudevents+json;charset=utf-8",
    "application/cloudevents+json; charset=UTF-8",
    'application/cloudevents+json ; charset = "utf-8"',
    "application/cloudevents+json;charset=us-ascii;x=1;",
  ])("reads %s as structured", (contentType) => {
    expect(parse(structured(ENVELOPE, contentType)).mode).toBe("structured");
  });

  it.each(["application/cloudevents-batch+json", "APPLICATION/CloudEvents-Batch+JSON; charset=utf-8"])(
    "reads %s as a batch",
    (contentType) => {
      expect(parse(structured([ENVELOPE], contentType)).mode).toBe("batch");
    },
  );

  it.each(["application/json", "text/plain", undefined])(
    "reads ce- headers with %s as binary",
    (contentType) => {
      expect(parse(binary({ "content-type": contentType }, "{}")).mode).toBe("binary");
    },
  );

  it.each([
    "application/cloudevents+xml",
    "application/cloudevents+avro",
    "application/cloudevents",
    "application/cloudevents-batch+xml",
    "application/cloudevents-foo",
  ])("refuses the event format %s, also beside ce- headers", (contentType) => {
    const refusal = refusalOf(() => parse(binary({ "content-type": contentType }, "{}")));

    expect(refusal.code).toBe("unsupported_media_type");
    expect(refusal.kind.status).toBe(415);
  });

  it("lets the body of a structured event win over ce- headers, also broken or repeated ones", () => {
    const request = {
      headers: [
        ["ce-id", "other"],
        ["ce-id", "again"],
        ["ce-source", "%zz"],
        ["ce-bad_name", "x"],
        ["content-type", "application/cloudevents+json"],
      ] as const,
      body: JSON.stringify(ENVELOPE),
    };

    const event = parseOne(request);

    expect(event.id).toBe(ENVELOPE.id);
    expect(event.extensions.size).toBe(0);
  });

  it("tells a sender of plain JSON how a CloudEvent looks", () => {
    const refusal = refusalOf(() => parse(structured({ job_id: "a" }, "application/json")));

    expect(refusal.code).toBe("invalid_event");
    expect(refusal.message).toContain("ce-specversion: 1.0, ce-id, ce-source and ce-type");
    expect(refusal.message).toContain("application/cloudevents+json");
  });

  it("refuses a request with no headers at all", () => {
    expect(refusalOf(() => parse({ headers: [] })).code).toBe("invalid_event");
  });
});

describe("content type and encoding", () => {
  it.each([
    ["application/json; charset=iso-8859-1"],
    ["application/json;charset=UTF-16"],
    ["application/cloudevents+json; charset=latin1"],
    ["application/json; charset=utf-8; charset=utf-7"],
    ["text/plain; charset=windows-1252"],
  ])("refuses the charset of %s", (contentType) => {
    expect(refusalOf(() => parse(binary({ "content-type": contentType }, "{}"))).kind.status).toBe(415);
  });

  it.each([
    "json",
    "application/",
    "a/b/c",
    "application/json; charset",
    'application/json; x="y',
    "application/json, text/plain",
    `a/${"b".repeat(2000)}`,
  ])("refuses %s, which is no media type", (contentType) => {
    expect(refusalOf(() => parse(binary({ "content-type": contentType }, "{}"))).kind.status).toBe(415);
  });

  it("refuses two Content-Type lines, of which Node would drop one in silence", () => {
    const headers = [
      ...BINARY_HEADERS,
      ["Content-Type", "application/json"],
      ["content-type", "text/plain"],
    ] as const;

    const refusal = refusalOf(() => parse({ headers, body: "{}" }));

    expect(refusal.kind.status).toBe(400);
    expect(refusal.message).toContain("Content-Type");
  });

  it("takes an empty Content-Type as none", () => {
    expect(parseOne(binary({ "content-type": " " })).datacontenttype).toBeUndefined();
  });

  it.each(["gzip", "identity, gzip", "br"])("refuses a body with Content-Encoding %s", (encoding) => {
    const refusal = refusalOf(() => parse(binary({ "Content-Encoding": encoding }, "{}")));

    expect(refusal.kind.status).toBe(415);
    expect(refusal.message).toContain("Content-Encoding");
  });

  it("refuses an encoding that a second line names", () => {
    const headers = [...BINARY_HEADERS, ["content-encoding", ""], ["content-encoding", "gzip"]] as const;

    expect(refusalOf(() => parse({ headers, body: "{}" })).kind.status).toBe(415);
  });

  it("takes Content-Encoding identity, which changes nothing", () => {
    expect(parseOne(binary({ "content-encoding": "Identity" }, "{}")).data).toEqual({
      kind: "json",
      value: {},
    });
  });
});

describe("batches", () => {
  it("gives the events in their order", () => {
    const parsed = parse(batch([ENVELOPE, { ...ENVELOPE, id: "2" }]));

    expect(parsed.mode === "batch" && parsed.events.map(({ id }) => id)).toEqual([ENVELOPE.id, "2"]);
  });

  it("takes an empty array", () => {
    expect(parse(batch([]))).toEqual({ mode: "batch", events: [] });
  });

  it("takes 100 events and refuses 101", () => {
    const hundred = Array.from({ length: 100 }, () => ENVELOPE);

    expect(parse(batch(hundred))).toHaveProperty("events.length", 100);
    expect(refusalOf(() => parse(batch([...hundred, ENVELOPE]))).message).toContain("more than 100 events");
  });

  it("takes another limit from its caller", () => {
    expect(refusalOf(() => parse(batch([ENVELOPE, ENVELOPE]), { maxBatch: 1 })).kind.status).toBe(400);
  });

  it.each([
    ["an event without id", { ...ENVELOPE, id: undefined }],
    ["an event of another version", { ...ENVELOPE, specversion: "0.9" }],
    ["text", "not an object"],
    ["null", null],
    ["a list", [ENVELOPE]],
  ])("refuses the whole for %s and names its index", (_, bad) => {
    const refusal = refusalOf(() => parse(batch([ENVELOPE, ENVELOPE, bad, ENVELOPE])));

    expect(refusal.kind.status).toBe(400);
    expect(refusal.message).toMatch(/^Event 2 of the batch/);
    expect(refusal.path).toBe("/2");
  });

  it("keeps the kind of a refusal inside a batch", () => {
    const utf16 = { ...ENVELOPE, datacontenttype: "application/json; charset=utf-16", data_base64: "e30=" };

    expect(refusalOf(() => parse(batch([utf16]))).kind.status).toBe(415);
  });

  it.each(["{}", JSON.stringify(ENVELOPE), "null", "1", ""])("refuses %s in place of an array", (body) => {
    expect(refusalOf(() => parse(batch(body))).kind.status).toBe(400);
  });
});
