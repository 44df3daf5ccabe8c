import { describe, expect, it } from "vitest";
import { attributesOf, batch, ENVELOPE, parse, parseOne, refusalOf, structured } from "./requests.ts";

const LONE = "\ud800";

describe("a structured event", () => {
  it("may begin with a byte order mark or white space", () => {
    for (const before of ["\uFEFF", " \r\n\t", "\uFEFF\n"]) {
      expect(parseOne(structured(before + JSON.stringify(ENVELOPE))).id).toBe(ENVELOPE.id);
    }
  });

  it.each(["", "null", "1", '"text"', "[]", "{", "garbage", "<xml/>"])(
    "is refused when the body is %j",
    (body) => {
      expect(refusalOf(() => parse(structured(body))).kind.status).toBe(400);
    },
  );

  it("keeps extensions with their types", () => {
    const sent = {
      ...ENVELOPE,
      extinteger: 10,
      extnegative: -2147483648,
      extboolean: false,
      extstring: "text",
    };

    expect(attributesOf(parseOne(structured(sent)))).toEqual(sent);
  });

  it("takes null as not set", () => {
    const event = parseOne(
      structured({ ...ENVELOPE, subject: null, time: null, datacontenttype: null, ext: null }),
    );

    expect(event).toEqual({ ...ENVELOPE, extensions: new Map(), data: { kind: "none" } });
  });

  it("lets the last of two equal keys win, as JSON does in JavaScript", () => {
    const body = JSON.stringify(ENVELOPE).replace("{", '{"id":"first",');

    expect(parseOne(structured(body)).id).toBe(ENVELOPE.id);
  });

  it.each(["id", "source", "type", "specversion"])("is refused without a usable %s", (name) => {
    for (const value of [undefined, null, "", 25, 1.0, true, {}, []]) {
      const refusal = refusalOf(() => parse(structured({ ...ENVELOPE, [name]: value })));
      expect(refusal.kind.status).toBe(400);
      expect(refusal.message).toContain(`"${name}"`);
    }
  });

  it.each([
    ["subject", ""],
    ["subject", 5],
    ["dataschema", ""],
    ["dataschema", "/relative"],
    ["dataschema", "https://example.com/a b"],
    ["datacontenttype", ""],
    ["datacontenttype", "xyz"],
    ["datacontenttype", true],
    ["time", ""],
    ["time", 1522900000],
  ])("is refused when %s is %j", (name, value) => {
    const refusal = refusalOf(() => parse(structured({ ...ENVELOPE, [name]: value })));

    expect(refusal.message).toContain(`"${name}"`);
  });

  it.each(["MyExtension", "my.extension", "my_extension", "", "é", "data-base64", `${"x".repeat(50)}\n`])(
    "is refused for an extension called %j, and its message shows no more than a clean name",
    (name) => {
      const refusal = refusalOf(() => parse(structured({ ...ENVELOPE, [name]: "x" })));

      expect(refusal.message).toMatch(/^The attribute name "[A-Za-z0-9_.?-]{0,43}" may only hold/);
    },
  );

  it.each(["1.5", "2147483648", "-2147483649", "99999999999", "1e400", "{}", '{"a":1}', "[1]"])(
    "is refused for an extension with the value %s",
    (value) => {
      const body = JSON.stringify({ ...ENVELOPE, ext: "HERE" }).replace('"HERE"', value);

      expect(refusalOf(() => parse(structured(body))).message).toContain('"ext"');
    },
  );

  it.each(["1.0", "1e2", "1E2", "-0.0", "10e-1"])(
    "is refused for an integer that is written %s",
    (number) => {
      const withNumber = (more: string) =>
        JSON.stringify(ENVELOPE).replace("}", `,"ext" : ${number}${more}}`);

      expect(refusalOf(() => parse(structured(withNumber(""))).mode).message).toContain('"ext"');
      expect(
        refusalOf(() => parse(batch(`[${JSON.stringify(ENVELOPE)},${withNumber(',"data":1')}]`))).message,
      ).toContain('"ext"');
    },
  );

  it("takes fractions and exponents where they are data, and in text", () => {
    const body = `{"d\\u0061ta":{"ext":1.5,"n":[2.5,{"e":1e3}]},"t":"e1.5\\"9e9","flag":true,"ext":7,${JSON.stringify(ENVELOPE).slice(1)}`;

    const { data, extensions } = parseOne(structured(body));

    expect(data).toEqual({ kind: "json", value: { ext: 1.5, n: [2.5, { e: 1000 }] } });
    expect(extensions.get("ext")).toBe(7);
    expect(parse(batch(`[${body}]`)).mode).toBe("batch");
    expect(parseOne(structured(`{"data":1.5,"ext":1,${JSON.stringify(ENVELOPE).slice(1)}`)).data).toEqual({
      kind: "json",
      value: 1.5,
    });
  });

  it.each([
    ["NUL", "\0"],
    ["a line break", "a\nb"],
    ["DEL", "\x7f"],
    ["a C1 control", "\x9f"],
    ["a noncharacter", "\uFDD0"],
    ["a noncharacter at the end of a plane", "\u{1FFFE}"],
    ["half a surrogate pair", LONE],
    ["a surrogate pair in the wrong order", "\udc00\ud800"],
  ])("is refused when an attribute holds %s", (_, text) => {
    for (const name of ["id", "source", "type", "subject", "ext"]) {
      expect(refusalOf(() => parse(structured({ ...ENVELOPE, [name]: `a${text}` }))).message).toContain(
        `"${name}"`,
      );
    }
  });

  it("takes any other Unicode in id and subject", () => {
    const sent = { ...ENVELOPE, id: "Euro € 😀 \u00a0", subject: "שלום" };

    expect(attributesOf(parseOne(structured(sent)))).toEqual(sent);
  });
});

describe("data of a structured event", () => {
  it.each([[{ a: 1 }], [[1, 2]], ["text"], ['{"not":"parsed"}'], [0], [false], [""], [null], [1.5]])(
    "keeps %j, with and without a JSON content type",
    (data) => {
      for (const datacontenttype of [
        undefined,
        null,
        "application/json",
        "Text/JSON; charset=utf-16",
        "application/vnd.x+json",
      ]) {
        expect(parseOne(structured({ ...ENVELOPE, datacontenttype, data })).data).toEqual({
          kind: "json",
          value: data,
        });
      }
    },
  );

  it("tells absent data from null", () => {
    expect(parseOne(structured(ENVELOPE)).data).toEqual({ kind: "none" });
    expect(parseOne(structured({ ...ENVELOPE, data_base64: null })).data).toEqual({ kind: "none" });
    expect(parseOne(structured({ ...ENVELOPE, data: null })).data).toEqual({ kind: "json", value: null });
    expect(parseOne(structured({ ...ENVELOPE, data: 1, data_base64: null })).data).toEqual({
      kind: "json",
      value: 1,
    });
  });

  it("gives text of another content type as its bytes, as binary mode does", () => {
    const event = parseOne(structured({ ...ENVELOPE, datacontenttype: "text/plain", data: "Hello, 🌎!\n" }));

    expect(event.data).toEqual({ kind: "bytes", bytes: Buffer.from("Hello, 🌎!\n") });
  });

  it("refuses JSON that its content type denies", () => {
    expect(
      refusalOf(() => parse(structured({ ...ENVELOPE, datacontenttype: "text/xml", data: {} }))).kind.status,
    ).toBe(400);
  });

  it("decodes data_base64 to bytes, and to JSON only when the content type says so", () => {
    const data_base64 = Buffer.from('{"a":1}').toString("base64");
    const bytes = { kind: "bytes", bytes: Buffer.from('{"a":1}') };

    expect(parseOne(structured({ ...ENVELOPE, data_base64 })).data).toEqual(bytes);
    expect(parseOne(structured({ ...ENVELOPE, data_base64, datacontenttype: "text/plain" })).data).toEqual(
      bytes,
    );
    expect(
      parseOne(structured({ ...ENVELOPE, data_base64, datacontenttype: "application/json" })).data,
    ).toEqual({
      kind: "json",
      value: { a: 1 },
    });
  });

  it.each(["not base64", "YQ", "YQ=", "YR==", "YQ==\n", "YQ-_", "====", 5, {}, true])(
    "refuses %j as data_base64",
    (data_base64) => {
      expect(refusalOf(() => parse(structured({ ...ENVELOPE, data_base64 }))).message).toContain(
        "data_base64",
      );
    },
  );

  it.each([
    ["no JSON", Buffer.from("garbage").toString("base64")],
    ["nothing", ""],
    ["no UTF-8", Buffer.from([0x22, 0xff, 0x22]).toString("base64")],
  ])("refuses data_base64 that is %s though it says JSON", (_, data_base64) => {
    const event = { ...ENVELOPE, data_base64, datacontenttype: "application/json" };

    expect(refusalOf(() => parse(structured(event))).message).toContain("data_base64");
  });

  it.each([1, null, "text"])("refuses data %j beside data_base64", (data) => {
    expect(refusalOf(() => parse(structured({ ...ENVELOPE, data, data_base64: "YQ==" }))).message).toContain(
      "data_base64",
    );
  });
});
