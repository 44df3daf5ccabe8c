import { describe, expect, it } from "vitest";
import { uuidV5, uuidV7 } from "../../src/events/ids.ts";

const DNS = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
const URL = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";

describe("version 5 UUIDs", () => {
  it.each([
    [DNS, "www.example.com", "2ed6657d-e927-568b-95e1-2665a8aea6a2"], // RFC 9562, appendix A.4
    [DNS, "python.org", "886313e1-3b8a-5372-9b90-0c9aee199e5d"],
    [URL, "http://python.org/", "4c565f0d-3f5a-5890-b41b-20cf47701c5e"],
  ])("are those of the RFC: %s %s", (namespace, name, uuid) => {
    expect(uuidV5(namespace, name)).toBe(uuid);
    expect(uuidV5(namespace.toUpperCase(), name)).toBe(uuid);
  });

  it("need a UUID as namespace", () => {
    expect(() => uuidV5("run-1", "x")).toThrow(TypeError);
  });
});

describe("version 7 UUIDs", () => {
  it("carry their time, version and variant", () => {
    const uuid = uuidV7(0x017f22e279b0); // the time of RFC 9562, appendix A.6

    expect(uuid).toMatch(/^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("sort in the order they were made, within one millisecond and over many", () => {
    const made = [
      ...Array.from({ length: 10_000 }, () => uuidV7(1_900_000_000_000)),
      uuidV7(1_900_000_000_001),
    ];

    expect(made.toSorted()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
  });

  it("take the clock when no time is given", () => {
    const before = Date.now();

    const ms = Number.parseInt(uuidV7().replaceAll("-", "").slice(0, 12), 16);

    expect(ms).toBeGreaterThanOrEqual(before);
    expect(ms).toBeLessThanOrEqual(Date.now());
  });
});
