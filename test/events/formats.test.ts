import { describe, expect, it } from "vitest";
import { ENVELOPE, parse, parseOne, refusalOf, structured } from "./requests.ts";

describe("ids and sources", () => {
  it("may have 1024 bytes and no more, which is what an index row of Postgres can hold", () => {
    for (const name of ["id", "source"]) {
      expect(parse(structured({ ...ENVELOPE, [name]: "a".repeat(1024) })).mode).toBe("structured");
      expect(refusalOf(() => parse(structured({ ...ENVELOPE, [name]: "a".repeat(1025) }))).message).toContain(
        `"${name}"`,
      );
    }
    expect(refusalOf(() => parse(structured({ ...ENVELOPE, id: "€".repeat(342) }))).kind.status).toBe(400);
  });

  it.each([
    "/mycontext",
    "#fragment",
    "//authority/path?query#fragment",
    "https://github.com/cloudevents/spec/pull?a=b&c=d",
    "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
    "mailto:cncf-wg-serverless@lists.cncf.io",
    "1-555-123-4567",
    "agent-executor-service",
    "/apis/v1/namespaces/default/pingsources/ping",
    "/sensors/tn[1]/alerts",
    "a%20b",
    "?",
  ])("take %s as a source", (source) => {
    expect(parseOne(structured({ ...ENVELOPE, source })).source).toBe(source);
  });

  it.each([
    "my app",
    "a%zz",
    "a%",
    "a#b#c",
    "1:2",
    "/a:b|c",
    "<x>",
    'a"b',
    "caf\u00e9",
    "{job}",
    "a\\b",
    ":",
    "^",
  ])("refuse %s as a source", (source) => {
    expect(refusalOf(() => parse(structured({ ...ENVELOPE, source }))).message).toContain('"source"');
  });
});

describe("times", () => {
  it.each([
    "2018-04-05T17:31:00Z",
    "2018-04-05T17:31:00.000000000Z",
    "2018-04-05T18:31:00+01:00",
    "2018-04-05T16:31:00-23:59",
    "2018-04-05t17:31:00z",
    "2016-12-31T23:59:60Z",
    "2024-02-29T00:00:00Z",
    "2000-02-29T00:00:00Z",
    "0000-01-01T00:00:00Z",
  ])("are kept as they were written: %s", (time) => {
    expect(parseOne(structured({ ...ENVELOPE, time })).time).toBe(time);
  });

  it.each([
    "lunchtime",
    "2018-04-05",
    "2018-04-05T18:31Z",
    "2018-04-05T18:31:00",
    "2018-04-05 18:31:00Z",
    "2018-04-05T18:31:00X",
    "2018-04-05T18:31:00+25:00",
    "2018-04-05T18:31:00+01:60",
    "2018-04-05T18:31:00+xx:00",
    "2018-04-05T18:31:00+05",
    "2018-04-05T18:31:00+0500",
    "2018-04-05T18:31:00.Z",
    "2018-04-05T24:00:00Z",
    "2018-04-05T18:60:00Z",
    "2018-04-05T18:31:61Z",
    "2018-13-05T18:31:00Z",
    "2018-00-05T18:31:00Z",
    "2018-04-31T18:31:00Z",
    "2018-04-00T18:31:00Z",
    "2023-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "Thu, 05 Apr 2018 17:31:00 GMT",
    " 2018-04-05T17:31:00Z",
    "２018-04-05T17:31:00Z",
  ])("are refused when they are not RFC 3339: %s", (time) => {
    expect(refusalOf(() => parse(structured({ ...ENVELOPE, time }))).message).toContain('"time"');
  });
});
