import { describe, expect, it } from "vitest";
import { hideValue, redact, redactJson, redactLine } from "../../src/observability/redaction.ts";

describe("a hidden value", () => {
  it("is shown in no text, however often and in whichever form it stands there", () => {
    hideValue('pa"ss\\w.rd+1');

    const shown = redact(
      `a pa"ss\\w.rd+1 b ${JSON.stringify('pa"ss\\w.rd+1')} c ${encodeURIComponent('pa"ss\\w.rd+1')}`,
    );

    expect(shown).toBe('a [redacted] b "[redacted]" c [redacted]');
  });

  it("is taken out of a line of JSON, which stays one", () => {
    hideValue("message");
    hideValue('quote"d');

    const line = redactLine(JSON.stringify({ message: 'the message is quote"d' }));

    expect(JSON.parse(line)).toEqual({ message: "the [redacted] is [redacted]" });
  });

  it("is taken out of plain JSON at any depth, keys too, but for ids and names of fields", () => {
    hideValue("sk-live-12345");
    hideValue("output");

    expect(
      redactJson({
        job_id: "sk-live-12345",
        result: { output: ["sk-live-12345 output"], "sk-live-12345": 1, n: null },
      }),
    ).toEqual({
      job_id: "sk-live-12345",
      result: { output: ["[redacted] [redacted]"], "[redacted]": 1, n: null },
    });
  });

  it("is hidden whole, also when another is its start", () => {
    hideValue("token-abc");
    hideValue("token-abc-def");

    expect(redact("token-abc-def token-abc")).toBe("[redacted] [redacted]");
  });

  it("is left alone when it is so short that it would blot out other words", () => {
    hideValue("db-01");
    hideValue("");
    hideValue(undefined);

    expect(redact("db-01 and the rest")).toBe("db-01 and the rest");
  });
});
