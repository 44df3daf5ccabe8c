import { beforeEach, expect, it, vi } from "vitest";
import type { Logger } from "../../src/observability/logger.ts";
import { registry } from "../../src/observability/metrics.ts";
import { openModelGate } from "../../src/service/model-gate.ts";

const log = { info: vi.fn(), warn: vi.fn() };
beforeEach(() => registry.resetMetrics());

it("an outage of Redis is logged once and counted, and so is its end", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  try {
    let away = true;
    const redis = { eval: async () => (away ? Promise.reject(new Error("gone")) : 1) };
    const gate = openModelGate(2, () => redis, log as unknown as Logger);
    for (let i = 0; i < 3; i++) {
      (await gate.enter("openai"))();
      vi.advanceTimersByTime(6000); // long enough to ask again
    }
    expect(log.warn).toHaveBeenCalledTimes(1);
    expect(await registry.metrics()).toContain("agent_executor_llm_gate_outages_total 1\n");

    away = false;
    (await gate.enter("openai"))();
    expect(log.info).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
});

it("without Redis the cap is that of the process", async () => {
  const gate = openModelGate(1, undefined, log as unknown as Logger);
  const leave = await gate.enter("openai");
  await expect(gate.enter("openai", AbortSignal.timeout(20))).rejects.toMatchObject({ name: "TimeoutError" });
  leave();
  (await gate.enter("openai"))();
});
