import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll } from "vitest";

// Set up for every test file: a pool, a server, a child or a poller that somebody forgot to close fails it.
// Vitest ends the process anyway, so nobody would notice here what keeps a pod from ending in production.
const WATCHED = new Set(["TCPServerWrap", "TCPSocketWrap", "ProcessWrap", "Timeout"]);

/** What still keeps the process alive; Vitest's own handles are pipes and timers without a reference. */
const openHandles = () => process.getActiveResourcesInfo().filter((type) => WATCHED.has(type));

// Hooks at the end run in reverse order, so this one comes after all those of the file.
afterAll(async () => {
  // What is closing gets a second; the rests must not count as open timers themselves.
  for (let tries = 0; openHandles().length > 0 && tries < 40; tries++)
    await delay(25, undefined, { ref: false });
  const left = openHandles();
  if (left.length === 0) return;
  throw new Error(`left open: ${left.join(", ")}; vitest --detectAsyncLeaks shows where they were opened`);
});
