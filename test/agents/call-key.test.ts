import { expect, it } from "vitest";
import { callKey } from "../../src/agents/journaled-tool.ts";

const config = (namespace: string, id?: string, scratchpad: object = {}) => ({
  configurable: { checkpoint_ns: namespace, __pregel_scratchpad: scratchpad },
  toolCall: { id },
});

it("a call has one key, whichever process asks", () => {
  expect(callKey(config("tools:a", "call_0"), "d")).toEqual({ task: "tools:a:call_0", slot: 0, digest: "d" });
  expect(callKey(config("tools:a", "call_0"), "d")).toEqual(callKey(config("tools:a", "call_0"), "d"));
});

it("calls of different tasks are different, although a model gives all its calls one id", () => {
  const tasks = ["tools:a", "tools:b", "tools:a|tools:c", "tools:a|tools:d"];
  const keys = tasks.map((task) => callKey(config(task, "call_0"), "d").task);
  expect(new Set(keys).size).toBe(tasks.length);
});

it("calls of one task that are the same in everything are counted, anew when the task runs again", () => {
  for (const execution of [{}, {}]) {
    const slots = ["d", "d", "e", "d"].map(
      (digest) => callKey(config("tools:a", undefined, execution), digest).slot,
    );
    expect(slots).toEqual([0, 1, 0, 2]);
  }
});

it.each(["x".repeat(10_000), "a\u0000b", "ü", "a b"])(
  "an id that fits in no index is shortened (%#)",
  (id) => {
    const { task } = callKey(config("tools:a", id), "d");
    expect(task).toMatch(/^tools:a:[0-9a-f]{64}$/);
    expect(callKey(config("tools:a", `${id}x`), "d").task).not.toBe(task);
  },
);

it("a call outside of a graph has a key too", () => {
  expect(callKey({}, "d")).toEqual({ task: ":", slot: 0, digest: "d" });
});
