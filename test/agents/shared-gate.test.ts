import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { SharedGate, type SharedGateOptions } from "../../src/agents/shared-gate.ts";
import { sharedModelServer } from "../support/shared.ts";
import type { Calls } from "./gate-child.ts";

const at = process.env["TEST_REDIS_URL"] ?? "";
let redis: Redis;
const server = sharedModelServer();
let name: string;
const children: ChildProcess[] = [];
beforeAll(async () => {
  redis = new Redis(at);
});
beforeEach(() => {
  name = `openai http://${randomUUID()}`;
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});
afterAll(async () => {
  await redis.quit();
});

function gateWith(changes: Partial<SharedGateOptions> = {}): SharedGate {
  return new SharedGate({
    most: 8,
    leaseSeconds: 30,
    redis: () => redis,
    onOutage: () => undefined,
    ...changes,
  });
}

const key = (what: string) => `langgraph:{model ${name}}:${what}`;

async function startChild(changes: Partial<Calls>): Promise<ChildProcess> {
  const url = `${server.openaiUrl}/chat/completions`;
  const plan: Calls = { redis: at, url, name, calls: 100, most: 8, leaseSeconds: 30, ...changes };
  const script = join(import.meta.dirname, "gate-child.ts");
  const child = spawn(process.execPath, ["--import", "tsx", script, JSON.stringify(plan)], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  children.push(child);
  await once(child, "message");
  return child;
}

describe("the gate that processes share", () => {
  it("lets in 8 of 200 calls of two processes at once, and both get their share", async () => {
    server.reply([{ content: "Hi.", delay_ms: 20 }]);
    const both = await Promise.all([startChild({}), startChild({})]);
    const ends = both.map((child) => once(child, "exit"));
    for (const child of both) child.send("begin");

    expect(await Promise.all(ends)).toEqual([
      [0, null],
      [0, null],
    ]);

    expect(server.requests).toHaveLength(200);
    expect(server.mostAtOnce).toBeLessThanOrEqual(8);
    expect(server.mostAtOnce).toBeGreaterThan(4);
    const firstHalf = server.requests.slice(0, 100).map(({ json }) => json["model"]);
    for (const child of both) {
      expect(firstHalf.filter((pid) => pid === String(child.pid)).length).toBeGreaterThan(4);
    }
    expect(await redis.zcard(key("places"))).toBe(0);
  });

  it("gives the places of a killed process to the others when their lease is over", async () => {
    server.reply([{ hang: true }]);
    const child = await startChild({ calls: 8, leaseSeconds: 2 });
    child.send("begin");
    await vi.waitUntil(() => server.requests.length === 8, { timeout: 10_000 });
    child.kill("SIGKILL");
    await once(child, "exit");

    expect(await redis.zcard(key("places"))).toBe(8);
    const started = performance.now();
    const gate = gateWith({ leaseSeconds: 2 });
    const places = await Promise.all(Array.from({ length: 8 }, () => gate.enter(name)));

    expect(performance.now() - started).toBeLessThan(4000);
    expect(places).toHaveLength(8);
    for (const leave of places) leave();
  });

  it("keeps the place of a call that takes longer than its lease", async () => {
    const leave = await gateWith({ most: 1, leaseSeconds: 0.3 }).enter(name);
    const [, first = "0"] = await redis.zrange(key("places"), "0", "-1", "WITHSCORES");
    await vi.waitUntil(
      async () => {
        const [, now = "0"] = await redis.zrange(key("places"), "0", "-1", "WITHSCORES");
        return Number(now) > Number(first) + 600;
      },
      { timeout: 5000 },
    );
    expect(await redis.zcard(key("places"))).toBe(1);
    leave();
    await vi.waitUntil(async () => (await redis.zcard(key("places"))) === 0);
  });

  it("lets whoever is cancelled go, and forgets that they waited", async () => {
    const leave = await gateWith({ most: 1 }).enter(name);
    const abort = new AbortController();
    const other = gateWith({ most: 1 });
    const waiting = other.enter(name, abort.signal);
    await vi.waitUntil(async () => (await redis.zcard(key("waiting"))) === 1);
    abort.abort(new Error("cancelled"));
    await expect(waiting).rejects.toThrow("cancelled");
    await vi.waitUntil(async () => (await redis.zcard(key("waiting"))) === 0);
    leave();
    (await other.enter(name))();
  });

  it("forgets a process that waited and died", async () => {
    await redis.zadd(key("waiting"), 1, "dead");
    await redis.zadd(key("alive"), 1, "dead");
    (await gateWith({ most: 1 }).enter(name))();
    expect(await redis.zcard(key("waiting"))).toBe(0);
  });
});

describe("while Redis is away", () => {
  const nowhere: [string, () => ReturnType<SharedGateOptions["redis"]>][] = [
    ["not connected", () => undefined],
    ["refusing", () => ({ eval: () => Promise.reject(new Error("READONLY")) })],
    ["silent", () => ({ eval: () => new Promise(() => undefined) })],
  ];
  it.each(nowhere)("%s, the cap of the process holds alone and is said once", async (how, connection) => {
    const onOutage = vi.fn();
    const gate = gateWith({ most: 2, redis: connection, onOutage });
    const places = await Promise.all([gate.enter(name), gate.enter(name)]);
    const abort = new AbortController();
    const third = gate.enter(name, abort.signal);
    abort.abort(new Error("no place"));
    await expect(third).rejects.toThrow("no place");
    for (const leave of places) leave();
    for (let i = 0; i < 20; i++) (await gate.enter(name))();
    expect(onOutage).toHaveBeenCalledTimes(how === "not connected" ? 0 : 1);
  });

  it("calls that wait are let in, and its return is said", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const onOutage = vi.fn();
      let away = false;
      const flaky = {
        eval: (script: string, keys: number, ...args: (string | number)[]) =>
          away ? Promise.reject(new Error("LOADING")) : redis.eval(script, keys, ...args),
      };
      const leave = await gateWith({ most: 1 }).enter(name); // another process
      const gate = gateWith({ most: 1, redis: () => flaky, onOutage });
      const waiting = gate.enter(name);
      away = true;
      (await waiting)();
      expect(onOutage).toHaveBeenCalledTimes(1);

      leave();
      away = false;
      vi.advanceTimersByTime(6000);
      (await gate.enter(name))();
      expect(onOutage.mock.lastCall).toEqual([null]);
    } finally {
      vi.useRealTimers();
    }
  });
});
