import { describe, expect, it } from "vitest";
import { LogFilter } from "../../src/observability/log-filter.ts";

const [DEBUG, INFO, WARN, ERROR] = [20, 30, 40, 50];

describe("the filter of log lines", () => {
  it("lets through what is at or above the level, and more once it is toggled, and back", () => {
    const filter = new LogFilter("warn");
    const passing = () => [DEBUG, INFO, WARN].filter((level) => filter.passes(level, "x") !== undefined);

    expect(passing()).toEqual([WARN]);
    expect(filter.toggle()).toBe("debug");
    expect(passing()).toEqual([DEBUG, INFO, WARN]);
    expect(filter.toggle()).toBe("warn");
    expect(passing()).toEqual([WARN]);
  });

  it("leaves out warnings of one text beyond fifty in ten seconds, and says later how many", () => {
    let now = 0;
    const filter = new LogFilter("info", () => now);
    const written = () => filter.passes(WARN, "Redis is away");

    const passed = Array.from({ length: 80 }, written).filter((each) => each !== undefined);
    expect(passed).toHaveLength(50);
    expect(filter.passes(WARN, "something else")).toBe(0);
    now = 10_001;
    expect(written()).toBe(30);
    expect(written()).toBe(0);
  });

  it("leaves out no error, and no line of a run's life", () => {
    const filter = new LogFilter("info");

    for (const level of [INFO, ERROR]) {
      const passed = Array.from({ length: 500 }, () => filter.passes(level, "run settled"));
      expect(passed.every((each) => each === 0)).toBe(true);
    }
  });

  it("remembers no more than two hundred texts: what comes beyond shares one count", () => {
    const filter = new LogFilter("info", () => 0);

    const passed = Array.from({ length: 1000 }, (_, i) => filter.passes(WARN, `text ${i}`));

    expect(passed.filter((each) => each !== undefined)).toHaveLength(200 + 50);
  });
});
