import { describe, expect, it } from "vitest";
import { BINARY_HEADERS, binary, parse, parseOne, refusalOf } from "./requests.ts";

describe("attributes in headers", () => {
  it("reads every attribute, whatever the case of the header names", () => {
    const event = parseOne(
      binary({
        "CE-Subject": "job-1",
        "Ce-Time": "2018-04-05T03:56:24Z",
        "ce-dataschema": "https://example.com/schema",
        "CE-ComExampleOther": "5",
        "ce-knativearrivaltime": "2026-07-01T00:00:00Z",
      }),
    );

    expect(event).toEqual({
      specversion: "1.0",
      id: "1234-1234-1234",
      source: "/mycontext/subcontext",
      type: "com.example.someevent",
      subject: "job-1",
      time: "2018-04-05T03:56:24Z",
      datacontenttype: "application/json",
      dataschema: "https://example.com/schema",
      extensions: new Map([
        ["comexampleother", "5"],
        ["knativearrivaltime", "2026-07-01T00:00:00Z"],
      ]),
      data: { kind: "none" },
    });
  });

  it("leaves out what was not sent instead of inventing it", () => {
    const event = parseOne(binary({ "content-type": undefined }));

    expect(Object.keys(event).sort()).toEqual(["data", "extensions", "id", "source", "specversion", "type"]);
  });

  it.each(["id", "source", "type", "specversion"])("refuses an event without ce-%s and names it", (name) => {
    for (const value of [undefined, ""]) {
      const refusal = refusalOf(() => parse(binary({ [`ce-${name}`]: value }, "{}")));
      expect(refusal.code).toBe("invalid_event");
      expect(refusal.message).toContain(`"${name}"`);
    }
  });

  it.each(["0.3", "2.0", "9000.1", "1", "1.0.2", "v1.0"])("refuses specversion %s", (version) => {
    const refusal = refusalOf(() => parse(binary({ "ce-specversion": version }, "{}")));

    expect(refusal.kind.status).toBe(400);
    expect(refusal.message).toContain('must be "1.0"');
  });

  it.each([
    "ce-my_ext",
    "ce-__proto__",
    "ce-data",
    "ce-data_base64",
    "ce-datacontenttype",
    "ce-",
    "ce-a.b",
    "ce-é",
  ])("refuses the header %s", (name) => {
    expect(refusalOf(() => parse(binary({ [name]: "x" }, "{}"))).kind.status).toBe(400);
  });

  it("takes names of objects' methods and long names as extensions", () => {
    const long = "a".repeat(60);
    const { extensions } = parseOne(
      binary({ "ce-constructor": "x", "ce-validate": "y", [`ce-${long}`]: "z" }),
    );

    expect([...extensions]).toEqual([
      ["constructor", "x"],
      ["validate", "y"],
      [long, "z"],
    ]);
  });

  it("keeps extension values as strings, empty ones too", () => {
    const { extensions } = parseOne(binary({ "ce-number": "5", "ce-flag": "true", "ce-empty": "" }));

    expect(Object.fromEntries(extensions)).toEqual({ number: "5", flag: "true", empty: "" });
  });

  it.each(["ce-id", "CE-ID", "ce-source", "ce-myextension"])("refuses a second line of %s", (name) => {
    const headers = [...BINARY_HEADERS, ["ce-myextension", "x"], [name, "1234-1234-1234"]] as const;

    const refusal = refusalOf(() => parse({ headers, body: "{}" }));

    expect(refusal.kind.status).toBe(400);
    expect(refusal.message).toContain(name.toLowerCase());
  });
});

describe("decoding header values", () => {
  it.each([
    ["plain", "plain", "plain"],
    ["percent-encoded", "Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"],
    ["lower-case escapes", "%e2%82%ac", "€"],
    ["needless escapes", "%61%62c", "abc"],
    ["exactly one round", "100%2525", "100%25"],
    ["a quoted string", '"a \\"b\\" \\\\ c"', 'a "b" \\ c'],
    ["an escape inside of quotes", '"%E2%82%AC"', "€"],
    ["quotes that are escaped are data", "%22a%22", '"a"'],
    ["an unfinished quote is data", '"abc', '"abc'],
    ["quotes in the middle are data", 'a"b"', 'a"b"'],
    ["raw UTF-8 as Node hands it over", Buffer.from("€ 😀", "utf8").toString("latin1"), "€ 😀"],
    ["raw UTF-8 beside escapes", `${Buffer.from("é").toString("latin1")}%C3%A9`, "éé"],
    ["a byte order mark is kept", "%EF%BB%BFx", "\uFEFFx"],
  ])("reads %s", (_, sent, meant) => {
    expect(parseOne(binary({ "ce-subject": sent })).subject).toBe(meant);
  });

  it.each([
    ["a lone percent sign", "100%"],
    ["an escape that is not hex", "%zz"],
    ["overlong UTF-8", "%C0%A0"],
    ["a byte that UTF-8 never has", "%FF"],
    ["half a surrogate pair", "%ED%A0%80"],
    ["cut UTF-8", "%E2%82"],
    ["raw bytes that are no UTF-8", "caf\xe9"],
    ["a sequence half raw and half escaped", "\xe2%82%AC"],
    ["characters that HTTP/1.1 cannot carry", "€"],
    ["an escaped line break", "a%0D%0AX-Evil: 1"],
    ["an escaped NUL", "%00"],
    ["DEL", "a\x7f"],
    ["a C1 control", "%C2%85"],
    ["a noncharacter", "%EF%BF%BE"],
    ["a noncharacter of a higher plane", "%F0%9F%BF%BF"],
  ])("refuses %s", (_, sent) => {
    const refusal = refusalOf(() => parse(binary({ "ce-subject": sent }, "{}")));

    expect(refusal.code).toBe("invalid_event");
    expect(refusal.message).toContain("subject");
  });

  it("keeps the escapes of a URI that the Go SDK sends as it is", () => {
    const event = parseOne(binary({ "ce-source": "/my%20app/caf%C3%A9", "ce-dataschema": "urn:x:%20y" }));

    expect(event.source).toBe("/my%20app/caf%C3%A9");
    expect(event.dataschema).toBe("urn:x:%20y");
  });

  it("takes the escapes off a URI that was encoded for the header", () => {
    expect(parseOne(binary({ "ce-source": "/my%2520app%2F1" })).source).toBe("/my%20app/1");
  });
});

describe("the body of a binary event", () => {
  it.each([
    ["application/json", '{"a":1}', { a: 1 }],
    ["Application/JSON", "[1]", [1]],
    ["application/json;charset=UTF-8", '"text"', "text"],
    ["application/vnd.example+json; v=1", "42", 42],
    ["text/json", "true", true],
    ["application/json", "null", null],
    ["application/json", "false", false],
    ["application/json", " \n0\t", 0],
    ["application/json", '\uFEFF{"bom":true}', { bom: true }],
  ])("is read as JSON when the type is %s", (contentType, body, value) => {
    expect(parseOne(binary({ "content-type": contentType }, body)).data).toEqual({ kind: "json", value });
  });

  it.each([
    "text/plain",
    "application/octet-stream",
    "application/xml; charset=utf-8",
    "application/jsonl",
    undefined,
  ])("stays bytes when the type is %s", (contentType) => {
    const bytes = new Uint8Array([0x7b, 0xff, 0x00]);

    expect(parseOne(binary({ "content-type": contentType }, bytes)).data).toEqual({ kind: "bytes", bytes });
  });

  it("is no data when it is empty", () => {
    expect(parseOne(binary({}, "")).data).toEqual({ kind: "none" });
  });

  it.each([
    ["garbage", "garbage"],
    ["cut JSON", '{"a":'],
    ["two values", "{}{}"],
    ["only white space", "  "],
    ["only a byte order mark", "\uFEFF"],
    ["two byte order marks", "\uFEFF\uFEFF{}"],
    ["bytes that are no UTF-8", new Uint8Array([0x22, 0xff, 0x22])],
    ["overlong UTF-8", new Uint8Array([0x22, 0xc0, 0xa0, 0x22])],
    ["UTF-16", Buffer.from("{}", "utf16le")],
  ])("is refused when it is %s", (_, body) => {
    const refusal = refusalOf(() => parse(binary({}, body)));

    expect(refusal.kind.status).toBe(400);
    expect(refusal.message).toContain("body");
  });
});
