import { describe, expect, it } from "vitest";
import { childOf, newTraceparent, parseTraceparent } from "../../src/observability/traceparent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

describe("reading a traceparent", () => {
  it.each([
    [`00-${TRACE}-${SPAN}-01`, 1],
    [`00-${TRACE}-${SPAN}-00`, 0],
    [`00-${TRACE}-${SPAN}-ff`, 255],
    [`01-${TRACE}-${SPAN}-01`, 1],
    [`cc-${TRACE}-${SPAN}-01-what-the-future-brings`, 1],
    [`fe-${TRACE}-${SPAN}-01-`, 1],
  ])("takes %s", (text, flags) => {
    expect(parseTraceparent(text)).toEqual({ traceId: TRACE, spanId: SPAN, flags });
  });

  it.each([
    [undefined],
    [""],
    ["garbage"],
    [`ff-${TRACE}-${SPAN}-01`],
    [`00-${"0".repeat(32)}-${SPAN}-01`],
    [`00-${TRACE}-${"0".repeat(16)}-01`],
    [`00-${TRACE.toUpperCase()}-${SPAN}-01`],
    [`00-${TRACE}-${SPAN.toUpperCase()}-01`],
    [`0A-${TRACE}-${SPAN}-01`],
    [`00-${TRACE}-${SPAN}-01-more`],
    [`00-${TRACE}-${SPAN}-01-`],
    [`01-${TRACE}-${SPAN}-01more`],
    [`00-${TRACE}-${SPAN}-1`],
    [`00-${TRACE}-${SPAN}`],
    [`00-${TRACE.slice(1)}-${SPAN}-01`],
    [`00_${TRACE}_${SPAN}_01`],
    [` 00-${TRACE}-${SPAN}-01`],
    [`00-${TRACE}-${SPAN}-01\n`],
  ])("ignores %j", (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });
});

describe("making a traceparent", () => {
  it.each([TRACE, TRACE.toUpperCase(), "0af76519-16cd-43dd-8448-eb211c80319c", `  ${TRACE} `])(
    "uses a trace id that is one already: %s",
    (text) => {
      expect(parseTraceparent(newTraceparent(text))).toMatchObject({ traceId: TRACE, flags: 1 });
    },
  );

  it.each(["order-4711", "x", "0".repeat(32), `${TRACE}0`, "é \ud800"])(
    "hashes any other text: %j",
    (text) => {
      const first = parseTraceparent(newTraceparent(text));
      const second = parseTraceparent(newTraceparent(text));

      expect(first?.traceId).toMatch(/^[0-9a-f]{32}$/);
      expect(second?.traceId).toBe(first?.traceId);
      expect(second?.spanId).not.toBe(first?.spanId);
    },
  );

  it("makes a new trace when there is no text", () => {
    const ids = [undefined, "", "  ", undefined].map(
      (text) => parseTraceparent(newTraceparent(text))?.traceId,
    );

    expect(new Set(ids).size).toBe(4);
    expect(ids).not.toContain(undefined);
  });

  it("goes on with a trace in a span of its own, with the flags that this version knows", () => {
    for (const [flags, kept] of [
      [0, 0],
      [1, 1],
      [3, 3],
      [255, 3],
    ] as const) {
      const child = parseTraceparent(childOf({ traceId: TRACE, spanId: SPAN, flags }));
      expect(child).toMatchObject({ traceId: TRACE, flags: kept });
      expect(child?.spanId).not.toBe(SPAN);
    }
  });
});
