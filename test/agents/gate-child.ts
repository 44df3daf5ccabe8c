import process from "node:process";
import { Redis } from "ioredis";
import { SharedGate } from "../../src/agents/shared-gate.ts";

/** A process that makes its calls of a model's server through the shared gate, all at once. */
export type Calls = {
  redis: string;
  url: string;
  name: string;
  calls: number;
  most: number;
  leaseSeconds: number;
};

const { redis: at, url, name, calls, most, leaseSeconds }: Calls = JSON.parse(process.argv[2] ?? "{}");
const redis = new Redis(at);
const gate = new SharedGate({ most, leaseSeconds, redis: () => redis, onOutage: () => undefined });

async function call(): Promise<void> {
  const leave = await gate.enter(name);
  const body = JSON.stringify({ model: String(process.pid), messages: [{ role: "user", content: "Hi" }] });
  const answer = await fetch(url, { method: "POST", body, headers: { authorization: "Bearer k" } });
  await answer.text();
  leave();
}

await redis.ping();
process.send?.("ready"); // so that both begin together
await new Promise((begin) => process.once("message", begin));
await Promise.all(Array.from({ length: calls }, call));
await redis.quit();
process.disconnect();
