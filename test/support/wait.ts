import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";

type Truthy<T> = Exclude<T, false | null | undefined | 0 | "">;
export type Patience = { timeoutMs?: number; what: string };

/** Asks again and again until the answer is truthy, and gives that answer. A throw counts as "not yet". */
export async function until<T>(condition: () => T | Promise<T>, patience: Patience): Promise<Truthy<T>> {
  const { timeoutMs = 5_000, what } = patience;
  const deadline = performance.now() + timeoutMs;
  let last = "nothing was answered in that time";
  for (let restMs = 2; ; restMs = Math.min(restMs * 1.5, 50)) {
    const answer = await within(deadline, async () => {
      const value = await condition();
      last = `the last answer was ${inspect(value, { depth: 2, breakLength: 100 })}`;
      return value;
    }).catch((error: unknown) => {
      last = `the last try failed with ${error instanceof Error ? error.message : inspect(error)}`;
    });
    if (answer) return answer as Truthy<T>; // the line before has looked
    if (performance.now() >= deadline) throw new Error(`waited ${timeoutMs} ms for ${what}; ${last}`);
    await delay(restMs);
  }
}

/** A condition that never settles must not keep the test from failing with its sentence. */
async function within<T>(deadline: number, work: () => Promise<T>): Promise<T | undefined> {
  const over = new AbortController();
  const restMs = Math.max(deadline - performance.now(), 1);
  const timeout = delay(restMs, undefined, { signal: over.signal }).catch(() => undefined);
  try {
    return await Promise.race([work(), timeout]);
  } finally {
    over.abort();
  }
}

const given = new Set<number>();

/** A port of 127.0.0.1 nobody listens on; the same one is not given twice by this process. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  const port = typeof address === "object" ? address?.port : undefined;
  if (port === undefined) throw new Error("the system gave no port");
  if (given.has(port)) return freePort();
  given.add(port);
  return port;
}
