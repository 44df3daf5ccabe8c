import { expect, it } from "vitest";
import { EventCheck } from "../../src/agents/event-check.ts";

const check = (text: string, size: number) => {
  const events = new EventCheck();
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) {
    if (!events.isSound(bytes.subarray(at, at + size))) return false;
  }
  return true;
};

it.each<[string, boolean]>([
  ['data: {"a":"ü€"}\n\ndata: [DONE]\n\n', true],
  ['event: x\ndata: {"a":1}\n\n: a comment\n\n', true],
  ['data: {"a":\ndata: 1}\n\n', true],
  ['data: {"a":1}\r\n\r\ndata: {"b":2}\r\n\r\n', true],
  ["data:\n\n", true],
  ['data: {"a":}\n\n', false],
  ["data: <html>\n\n", false],
  ['data: {"a":1}\n\ndata: {"b"\n\n', false],
])("an event stream is read however it is cut: %j", (text, sound) => {
  for (const size of [1, 2, 3, 7, 1000]) expect(check(text, size)).toBe(sound);
});

it("an event without an end is none", () => {
  expect(check(`data: ${"x".repeat(9 * 1024 * 1024)}`, 65_536)).toBe(false);
});
