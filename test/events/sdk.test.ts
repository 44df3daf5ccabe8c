import { CloudEvent, HTTP } from "cloudevents";
import { describe, expect, it } from "vitest";
import { encodeBinary, encodeStructured, outcomeEvent } from "../../src/events/outgoing.ts";
import {
  attributesOf,
  batch,
  binary,
  ENVELOPE,
  parse,
  parseOne,
  type Request,
  refusalOf,
  structured,
} from "./requests.ts";

/** The event as the SDK reads it; it wants headers as an object and the body as text. */
function bySdk({ headers, body = "" }: Request) {
  const event = HTTP.toEvent({ headers: Object.fromEntries(headers), body: String(body) });
  if (!(event instanceof CloudEvent)) throw new Error("one event was expected");
  return event;
}

describe("where the SDK is right", () => {
  const full = {
    ...ENVELOPE,
    subject: "job-1",
    dataschema: "https://example.com/schema",
    datacontenttype: "application/json",
    myextension: "value",
    data: { a: [1, "é", null] },
  };
  const { data, datacontenttype, ...attributes } = full;
  const headers = Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]),
  );

  it.each([
    ["structured", structured(full)],
    ["structured, no data", structured(ENVELOPE)],
    ["structured, text", structured({ ...ENVELOPE, datacontenttype: "text/plain", data: "text" })],
    ["binary", binary(headers, JSON.stringify(data))],
    ["binary, text", binary({ ...headers, "content-type": "text/plain" }, "text")],
  ])("both read the same from a valid event: %s", (_, request) => {
    const ours = parseOne(request);
    const theirs = bySdk(request);

    // The SDK makes up a time where none was sent; all else must agree.
    const { time: _time, data: theirData, ...theirAttributes } = theirs.toJSON() as Record<string, unknown>;
    expect(theirAttributes).toMatchObject(attributesOf(ours));
    if (ours.data.kind === "json") expect(theirData).toEqual(ours.data.value);
    if (ours.data.kind === "bytes") expect(theirData).toBe(Buffer.from(ours.data.bytes).toString());
    expect(theirs.validate()).toBe(true);
  });

  it("the SDK takes the events that we send, in both modes", () => {
    const event = outcomeEvent({
      prefix: "dev.my-platform.agent",
      source: "agent-executor-service",
      runId: "run-1",
      jobId: "job-1",
      kind: "completed",
      data: { job_id: "job-1", result: { output: "Euro € 😀", status: "completed" } },
      time: new Date("2030-01-31T12:00:00.123Z"),
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      causationId: "event-1",
      overrides: new Map([["team", "blue"]]),
    });

    const { headers, body } = encodeBinary(event);

    for (const request of [{ headers: Object.entries(headers), body }, structured(encodeStructured(event))]) {
      const read = bySdk(request);
      expect(read.validate()).toBe(true);
      expect(read.toJSON()).toEqual(event);
    }
  });
});

describe("where the SDK invents, drops or lets pass, this service", () => {
  it.each([
    ["no source, binary", binary({ "ce-source": undefined }, "{}")],
    ["no type, binary", binary({ "ce-type": undefined }, "{}")],
    ["no specversion, binary", binary({ "ce-specversion": undefined }, "{}")],
    ["no id, structured", structured({ ...ENVELOPE, id: undefined })],
    ["an empty id, structured", structured({ ...ENVELOPE, id: "" })],
    ["specversion 2.0", structured({ ...ENVELOPE, specversion: "2.0" })],
    ["specversion 0.3", structured({ ...ENVELOPE, specversion: "0.3" })],
    ["a bad time", structured({ ...ENVELOPE, time: "lunchtime" })],
    ["a binary body that is no JSON", binary({}, "garbage")],
    ["data and data_base64", structured({ ...ENVELOPE, data: 1, data_base64: "YQ==" })],
    ["bad base64", structured({ ...ENVELOPE, data_base64: "%%%" })],
    ["an object as extension", structured({ ...ENVELOPE, ext: {} })],
    ["a fraction as extension", structured({ ...ENVELOPE, ext: 1.5 })],
    ["a large number as extension", structured({ ...ENVELOPE, ext: 99_999_999_999 })],
  ])("refuses what the SDK accepts: %s", (_, request) => {
    expect(() => bySdk(request)).not.toThrow(); // if this fails, the SDK has learned: the row may go
    expect(refusalOf(() => parse(request)).kind.status).toBe(400);
  });

  it.each([
    ["ce-datacontenttype beside Content-Type", binary({ "ce-datacontenttype": "text/plain" }, "{}")],
    ["no id, binary", binary({ "ce-id": undefined }, "{}")],
    ["null for a structured event", structured("null")],
    ["an object for a batch", batch({})],
    ["null in a batch", batch([null])],
  ])("answers with one kind of error, whatever the SDK would throw: %s", (_, request) => {
    expect(refusalOf(() => parse(request)).code).toBe("invalid_event");
  });

  it.each([
    ["charset without a space", structured(ENVELOPE, "application/cloudevents+json;charset=utf-8")],
    ["charset in upper case", structured(ENVELOPE, "application/cloudevents+json; charset=UTF-8")],
    ["a content type in mixed case", structured(ENVELOPE, "Application/CloudEvents+JSON")],
    ["white space before the body", structured(`  ${JSON.stringify(ENVELOPE)}`)],
  ])("accepts what the SDK refuses: %s", (_, request) => {
    expect(() => bySdk(request)).toThrow();
    expect(parseOne(request).id).toBe(ENVELOPE.id);
  });

  it.each([false, 0, "", null])("keeps data %j", (data) => {
    expect(parseOne(structured({ ...ENVELOPE, data })).data).toEqual({ kind: "json", value: data });
  });

  it.each(["Application/JSON", "application/vnd.x+json", "application/json;charset=UTF-8"])(
    "parses a binary body of type %s",
    (contentType) => {
      expect(parseOne(binary({ "content-type": contentType }, '{"a":1}')).data).toEqual({
        kind: "json",
        value: { a: 1 },
      });
    },
  );

  it("decodes headers, keeps the text of a time and knows when there is none", () => {
    expect(parseOne(binary({ "ce-subject": "a%20b" })).subject).toBe("a b");
    expect(parseOne(binary({ "ce-time": "2030-01-31T12:00:00.123456789+02:00" })).time).toBe(
      "2030-01-31T12:00:00.123456789+02:00",
    );
    expect(parseOne(binary())).not.toHaveProperty("time");
  });

  it("does not let an extension replace a method", () => {
    expect(parseOne(binary({ "ce-validate": "x" })).extensions.get("validate")).toBe("x");
  });
});
