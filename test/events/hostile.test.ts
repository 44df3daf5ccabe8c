import { describe, expect, it } from "vitest";
import { batch, binary, ENVELOPE, parse, parseOne, refusalOf, structured } from "./requests.ts";

const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

describe("the limit on nesting", () => {
  it("counts the data alone, so that it is the same in every mode", () => {
    const inEvent = (levels: number) => `${JSON.stringify(ENVELOPE).slice(0, -1)},"data":${nested(levels)}}`;
    const inBase64 = (levels: number) =>
      structured({
        ...ENVELOPE,
        datacontenttype: "application/json",
        data_base64: Buffer.from(nested(levels)).toString("base64"),
      });

    for (const request of [
      (levels: number) => binary({}, nested(levels)),
      (levels: number) => structured(inEvent(levels)),
      (levels: number) => batch(`[${inEvent(levels)}]`),
      inBase64,
    ]) {
      expect(() => parse(request(128))).not.toThrow();
      expect(refusalOf(() => parse(request(129))).message).toBe(
        "The data nests deeper than 128 levels: flatten it.",
      );
    }
  });

  it("can be lowered by the caller", () => {
    expect(refusalOf(() => parse(binary({}, nested(5)), { maxDepth: 4 })).kind.status).toBe(400);
  });

  it("stops a megabyte of brackets without recursion", () => {
    for (const body of ["[".repeat(1 << 20), '{"a":'.repeat(200_000)]) {
      expect(refusalOf(() => parse(binary({}, body))).kind.status).toBe(400);
    }
  });

  it("does not count brackets inside of strings, whatever is escaped there", () => {
    const value = [`${"[".repeat(500)}"\\`, "\\\\", `\\"${"{".repeat(500)}`];

    expect(parseOne(binary({}, JSON.stringify(value))).data).toEqual({ kind: "json", value });
  });

  it("leaves a string that never ends to the JSON parser", () => {
    expect(refusalOf(() => parse(binary({}, `{"${"[".repeat(500)}`))).message).toContain("not valid JSON");
  });

  it("reads a megabyte of quotes and backslashes in linear time", () => {
    const value = '"\\'.repeat(200_000);
    const start = performance.now();

    parse(binary({}, JSON.stringify(value)));

    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe("keys that reach for prototypes", () => {
  it.each([
    ['{"__proto__":{"admin":true}}'],
    ['{"a":[{"b":{"__proto__":null}}]}'],
    ['{"__proto__" : 1}'],
    ['{"\\u005f\\u005Fproto__":{"admin":true}}'],
    ['{"__p\\u0072oto__":{}}'],
    ['{"constructor":{"prototype":{"admin":true}}}'],
    ['[{"\\u0063onstructor"\n:{"prototype":1}}]'],
  ])("are refused: %s", (body) => {
    const refusal = refusalOf(() => parse(binary({}, body)));

    expect(refusal.kind.status).toBe(400);
    expect(refusal.message).toContain("at any depth");
    expect(Object.prototype).not.toHaveProperty("admin");
  });

  it("are refused in the envelope, in a batch and in data_base64", () => {
    const proto = '{"__proto__":{}}';
    const envelope = JSON.stringify(ENVELOPE).slice(0, -1);

    for (const request of [
      structured(`${envelope},"__proto__":"x"}`),
      structured(`${envelope},"data":${proto}}`),
      batch(`[${envelope},"data":${proto}}]`),
      structured({
        ...ENVELOPE,
        datacontenttype: "application/json",
        data_base64: Buffer.from(proto).toString("base64"),
      }),
    ]) {
      expect(refusalOf(() => parse(request)).message).toContain("__proto__");
    }
  });

  it.each([
    ['{"text":"say \\"__proto__\\": and go"}'],
    ['{"constructor":"a builder"}'],
    ['{"constructor":{"name":"x"}}'],
    ['{"constructor":null,"prototype":{}}'],
    ['{"__PROTO__":1}'],
    ['["__proto__","constructor"]'],
  ])("are not seen where there are none: %s", (body) => {
    expect(parseOne(binary({}, body)).data).toEqual({ kind: "json", value: JSON.parse(body) });
  });
});

describe("messages of refusals", () => {
  const SECRET = "s3cr3t";

  it.each([
    ["a bad header", binary({ "ce-subject": `${SECRET}%` }, "{}")],
    ["a bad source", binary({ "ce-source": `${SECRET} x` }, "{}")],
    ["a bad time", binary({ "ce-time": SECRET }, "{}")],
    ["a bad version", binary({ "ce-specversion": SECRET }, "{}")],
    ["a bad content type", binary({ "content-type": SECRET }, "{}")],
    ["a bad event format", binary({ "content-type": `application/cloudevents+${SECRET}` }, "{}")],
    ["a bad charset", binary({ "content-type": `text/plain; charset=${SECRET}` }, "{}")],
    ["bad JSON", binary({}, `{"a": ${SECRET}`)],
    ["no CloudEvent", structured({ key: SECRET }, "application/json")],
    ["a bad value", structured({ ...ENVELOPE, subject: [SECRET] })],
    ["bad base64", structured({ ...ENVELOPE, data_base64: `${SECRET}!` })],
    ["a bad batch", batch([{ ...ENVELOPE, id: "", subject: SECRET }])],
  ])("do not quote what was sent for %s", (_, request) => {
    const refusal = refusalOf(() => parse(request));

    expect(refusal.message).not.toContain(SECRET);
    expect(refusal.cause).toBeUndefined();
  });

  it("stay on one short line when the name is long and dirty", () => {
    const { message } = refusalOf(() => parse(structured({ ...ENVELOPE, [`\r\n"${"x".repeat(5000)}`]: 1 })));

    expect(message).toMatch(/^[\x20-\x7e]{1,200}$/);
  });
});
