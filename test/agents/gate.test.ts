import { describe, expect, it, vi } from "vitest";
import { LocalGate } from "../../src/agents/gate.ts";
import { sharedModelServer } from "../support/shared.ts";
import { agentsWith, nodeWith, providersAt, runOnce, STREAMED } from "./support.ts";

describe("the gate of one process", () => {
  it("lets in so many of each name, and the next in the order in which they came", async () => {
    const gate = new LocalGate(2);
    const [first] = await Promise.all([gate.enter("a"), gate.enter("a")]);
    await gate.enter("b"); // another name has places of its own
    const entered: string[] = [];
    const third = gate.enter("a").then(() => entered.push("third"));
    const fourth = gate.enter("a").then(() => entered.push("fourth"));
    await new Promise(setImmediate);
    expect(entered).toEqual([]);

    first();
    first(); // twice is once
    await third;
    await new Promise(setImmediate);
    expect(entered).toEqual(["third"]);
    expect(await Promise.race([fourth, Promise.resolve("waits")])).toBe("waits");
  });

  it("does not keep those who are no longer wanted, nor gives them a place", async () => {
    const gate = new LocalGate(1);
    const leave = await gate.enter("a");
    const abort = new AbortController();
    const waiting = gate.enter("a", abort.signal);
    const next = gate.enter("a");
    abort.abort(new Error("cancelled"));
    await expect(waiting).rejects.toThrow("cancelled");
    leave();
    (await next)();
    await expect(gate.enter("a", abort.signal)).rejects.toThrow("cancelled");
    (await gate.enter("a"))();
  });
});

describe("the cap on requests to a provider", () => {
  const server = sharedModelServer();

  const watch = { called: vi.fn(), retried: vi.fn(), waited: vi.fn(), fellBack: vi.fn(), used: vi.fn() };
  const settings = (gate: LocalGate, more: object = {}) => ({
    providers: providersAt(server),
    gate,
    watch,
    ...more,
  });

  it.each(["openai", "anthropic"])(
    "holds for 200 runs of two agents of %s, streamed and not",
    async (provider) => {
      server.reply([{ content: "One two.", delay_ms: 5 }]);
      const agents = agentsWith(settings(new LocalGate(8)));
      const both = await Promise.all(
        ["A", "B"].map((system_prompt) =>
          agents.compile(nodeWith({ provider, model: "m" }, { system_prompt })),
        ),
      );

      const results = await Promise.all(
        Array.from({ length: 200 }, (_, i) => {
          const agent = both[i % 2];
          if (agent === undefined) throw new Error("two were compiled");
          return runOnce(agent, `Hi ${i}`, i % 4 < 2 ? STREAMED : {});
        }),
      );

      expect(results.filter(({ output }) => output === "One two.")).toHaveLength(200);
      expect(server.requests).toHaveLength(200);
      expect(server.mostAtOnce).toBeLessThanOrEqual(8);
      expect(server.mostAtOnce).toBeGreaterThan(1);
    },
  );

  it.each([
    ["an error", { status: 500 }],
    ["a refusal", { status: 400 }],
    ["a page for people", { raw: { type: "text/html", body: "<p>" } }],
    ["no JSON", { raw: { type: "application/json", body: '{"choices": [' } }],
    ["a cut stream", { content: "a b c d", midway: "cut" }],
    ["a silent stream", { content: "a b c d", midway: "hang" }],
    ["silence", { hang: true }],
  ] as const)("gives the place back after %s", async (_, reply) => {
    const gate = new LocalGate(1);
    const agents = agentsWith(settings(gate, { maxRetries: 1, silenceSeconds: 0.2 }));
    const agent = await agents.compile(nodeWith({ model: "m" }));
    for (const config of [{}, STREAMED]) {
      server.reply([reply]);
      await runOnce(agent, "Hi", config).catch(() => undefined);
      server.reply(["Fine."]);
      expect((await runOnce(agent, "Hi", config)).output).toBe("Fine.");
    }
  });

  it("gives the place back when the run is cancelled, and cancels runs that wait for one", async () => {
    const gate = new LocalGate(1);
    const agent = await agentsWith(settings(gate)).compile(nodeWith({ model: "m" }));
    server.reply([{ hang: true }]);
    const [holds, waits] = [new AbortController(), new AbortController()];
    const first = runOnce(agent, "Hi", { signal: holds.signal }).catch(() => "cancelled");
    await vi.waitUntil(() => server.requests.length === 1);
    const second = runOnce(agent, "Hi", { signal: waits.signal }).catch(() => "cancelled");
    waits.abort();
    expect(await second).toBe("cancelled");
    holds.abort();
    expect(await first).toBe("cancelled");

    server.reply(["Fine."]);
    expect((await runOnce(agent, "Hi")).output).toBe("Fine.");
    expect(server.requests).toHaveLength(2); // the second was never sent
  });

  it("is not used up by a request that waits to be tried again", async () => {
    const gate = new LocalGate(1);
    const agents = agentsWith(settings(gate));
    const agent = await agents.compile(nodeWith({ model: "m" }));
    server.reply(({ body }) =>
      body.includes("slow") && server.requests.length === 1
        ? { status: 429, headers: { "retry-after": "2" } }
        : "Fine.",
    );
    const order: string[] = [];
    const slow = runOnce(agent, "slow").then(() => order.push("slow"));
    await vi.waitUntil(() => server.requests.length === 1);
    await runOnce(agent, "quick").then(() => order.push("quick"));
    await slow;
    expect(order).toEqual(["quick", "slow"]);
  });
});
