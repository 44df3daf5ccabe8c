import { setTimeout as delay } from "node:timers/promises";
import type { ExecuteEvent } from "../support/agents.ts";
import { postEvent } from "../support/post.ts";

/**
 * Sends an event as a broker does: again and again until the answer is one that a broker does not
 * repeat. Each try goes to the next of the doors.
 */
export async function sendLikeBroker(
  event: ExecuteEvent & { type: string },
  doors: () => readonly string[],
  { first = 0, prefer, forMs = 300_000 }: { first?: number; prefer?: string; forMs?: number } = {},
): Promise<{ status: number; tries: number }> {
  const until = performance.now() + forMs;
  for (let tries = 1; ; tries++) {
    const urls = doors();
    const url = urls[(first + tries) % urls.length] ?? "";
    const headers = prefer === undefined ? {} : { prefer };
    const status = await postEvent(url, event, { headers, timeoutMs: Math.min(120_000, forMs) }).then(
      (reply) => reply.status,
      () => 0, // cut, refused or silent: a broker sends it again
    );
    if (!isRepeated(status)) return { status, tries };
    if (performance.now() > until) throw new Error(`event ${event.id} was not taken: last status ${status}`);
    await delay(Math.min(50 * 2 ** tries, 1000) * (0.5 + Math.random() / 2));
  }
}

function isRepeated(status: number): boolean {
  return (
    status === 0 || status === 404 || status === 408 || status === 409 || status === 429 || status >= 500
  );
}

/** Runs all, so many at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<void>,
) {
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) await work(item, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
}
