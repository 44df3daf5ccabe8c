import { describe, expect, it } from "vitest";
import {
  hideValue,
  PieceRedactor,
  redact,
  redactJson,
  redactLine,
} from "../../src/observability/redaction.ts";

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

describe("a hidden value that comes in pieces", () => {
  const shown = (pieces: readonly string[]) => {
    const redactor = new PieceRedactor();
    return [...pieces.map((piece) => redactor.take(piece)), redactor.rest()];
  };
  const secret = "s3cr3t-of-pieces";
  hideValue(secret);

  it("is shown in none of them, wherever it is cut", () => {
    for (let cut = 1; cut < secret.length; cut++) {
      const pieces = ["it is ", secret.slice(0, cut), secret.slice(cut), " you know"];
      expect(shown(pieces).join("")).toBe("it is [redacted] you know");
      expect(shown(pieces)).toEqual(["it is ", "", "[redacted]", " you know", ""]);
    }
    expect(shown([...`it is ${secret}!`]).join("")).toBe("it is [redacted]!");
  });

  it("keeps nothing back for longer than it may be one, and loses nothing of what is none", () => {
    expect(shown(["so s3", "ven", " s3cr3t-of-", "nothing"])).toEqual([
      "so ",
      "s3ven",
      " ",
      "s3cr3t-of-nothing",
      "",
    ]);
    expect(shown(["ends like s3cr3t-of-piece"])).toEqual(["ends like ", "s3cr3t-of-piece"]);
  });

  it("is hidden whole, also when another is its start", () => {
    hideValue("s3cr3t");

    expect(shown(["s3cr3t", "-of-pie", "ces, s3cr3t", "."])).toEqual([
      "",
      "",
      "[redacted], ",
      "[redacted].",
      "",
    ]);
  });
});
