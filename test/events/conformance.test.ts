import { describe, expect, it } from "vitest";
import { attributesOf, binary, parseOne, refusalOf, structured } from "./requests.ts";

// The example events of the project cloudevents/conformance, written down as tables: its two scenarios of the
// HTTP binding, its minimal events in both modes, and its lists for the JSON format.

describe("the HTTP binding scenarios of the conformance suite", () => {
  const body = '{\n    "message": "Hello World!"\n}';
  const said = {
    specversion: "1.0",
    id: "1234-1234-1234",
    type: "com.example.someevent",
    source: "/mycontext/subcontext",
    time: "2018-04-05T03:56:24Z",
  };

  it.each(["application/json", "application/json; charset=utf-8"])(
    "binary content mode (%s)",
    (contentType) => {
      expect(Buffer.byteLength(body)).toBe(33); // the Content-Length that the scenario declares

      const event = parseOne(
        binary({ "ce-time": said.time, "Content-Type": contentType, "content-type": undefined }, body),
      );

      expect(attributesOf(event)).toEqual({ ...said, datacontenttype: contentType });
      expect(event.data).toEqual({ kind: "json", value: { message: "Hello World!" } });
    },
  );

  it.each(["application/cloudevents+json", "application/cloudevents+json; charset=utf-8"])(
    "structured content mode (%s)",
    (contentType) => {
      const sent = { ...said, datacontenttype: "application/json", data: { message: "Hello World!" } };

      const event = parseOne(structured(JSON.stringify(sent, null, 4), contentType));

      expect(attributesOf(event)).toEqual({ ...said, datacontenttype: "application/json" });
      expect(event.data).toEqual({ kind: "json", value: { message: "Hello World!" } });
    },
  );
});

describe("the minimal events of the conformance suite", () => {
  const source = "//github.com/cloudevents/cloudeventsconformance/yaml/v1.yaml";

  it.each([
    ["conformance-0001", "text/plain; charset=us-ascii", "Hello, World!\n", undefined],
    ["conformance-0002", "text/plain; charset=utf-8", "Hello, 🌎!\n", undefined],
    ["conformance-0003", "application/json; charset=utf-8", '"Hello, 🌎!"\n', "Hello, 🌎!"],
    ["conformance-0004", "application/json; charset=utf-8", '{"msg":"Hello, 🌎!"}\n', { msg: "Hello, 🌎!" }],
    ["conformance-0005", "application/json; charset=utf-8", '["Hello","🌎!"]\n', ["Hello", "🌎!"]],
    ["conformance-0006", "application/xml; charset=utf-8", "<msg>Hello, 🌎!</msg>\n", undefined],
  ])("%s says the same in both modes", (id, datacontenttype, text, value) => {
    const attributes = { specversion: "1.0", id, source, type: "io.cloudevents.minimum", datacontenttype };
    const data = value === undefined ? { kind: "bytes", bytes: Buffer.from(text) } : { kind: "json", value };

    const fromHeaders = parseOne(
      binary(
        { "ce-id": id, "ce-source": source, "ce-type": attributes.type, "content-type": datacontenttype },
        text,
      ),
    );
    const fromBody = parseOne(structured({ ...attributes, data: value ?? text }));

    expect(attributesOf(fromHeaders)).toEqual(attributes);
    expect(fromHeaders.data).toEqual(data);
    expect(fromBody).toEqual(fromHeaders);
  });

  it("keeps an extension whose value is JSON text with quotes", () => {
    const value = '{"name":"a \\"quoted\\" name"}';

    const event = parseOne(
      binary(
        { "ce-comexampleextension1": "value", "ce-comexampleothervalue": encodeURIComponent(value) },
        "{}",
      ),
    );

    expect(Object.fromEntries(event.extensions)).toEqual({
      comexampleextension1: "value",
      comexampleothervalue: value,
    });
  });
});

describe("the JSON format lists of the conformance suite", () => {
  const minimal = {
    specversion: "1.0",
    id: "minimal",
    type: "io.cloudevents.test",
    source: "https://cloudevents.io",
  };

  it.each([
    ["minimal", {}],
    ["null for optional attributes", { datacontenttype: null, dataschema: null, subject: null, time: null }],
    [
      "all core attributes",
      {
        datacontenttype: "text/plain",
        dataschema: "https://cloudevents.io/dataschema",
        subject: "tests",
        time: "2018-04-05T17:31:00Z",
      },
    ],
    ["a relative source", { source: "#fragment" }],
    ["text data", { datacontenttype: "text/plain", data: "Simple text" }],
    [
      "all extension types",
      {
        extinteger: 10,
        extboolean: true,
        extstring: "text",
        exturi: "https://cloudevents.io",
        exturiref: "//authority/path",
        exttimestamp: "2023-03-31T15:12:00Z",
        extbinary: "TWE=",
      },
    ],
  ])("takes the valid event: %s", (_, changes) => {
    const { data, ...attributes } = { data: undefined, ...minimal, ...changes };
    const set = Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== null));

    expect(attributesOf(parseOne(structured({ ...minimal, ...changes })))).toEqual(set);
    expect(data === undefined || data === "Simple text").toBe(true);
  });

  it.each([
    ["no specversion", { specversion: undefined }],
    ["no id", { id: undefined }],
    ["no type", { type: undefined }],
    ["no source", { source: undefined }],
    ["an empty specversion", { specversion: "" }],
    ["an unknown specversion", { specversion: "0.9" }],
    ["a numeric id", { id: 25 }],
    ["an object as id", { id: { xyz: "abc" } }],
    ["a data content type that is none", { datacontenttype: "xyz" }],
    ["a capitalised extension", { MyExtension: "bad" }],
    ["an extension with punctuation", { "my.extension": "bad" }],
    ["a fraction as extension", { myextension: 1.5 }],
    ["data twice", { data: "text", data_base64: "eyAieHl6IjogMTIzIH0=" }],
  ])("refuses the invalid event: %s", (_, changes) => {
    expect(refusalOf(() => parseOne(structured({ ...minimal, ...changes }))).code).toBe("invalid_event");
  });
});
