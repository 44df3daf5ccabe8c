import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, it } from "vitest";
import { guardedFetch } from "../../src/agents/guarded-fetch.ts";
import { sharedModelServer } from "../support/shared.ts";
import { errorOf } from "./support.ts";

const server = sharedModelServer();

function fetchFor(base: string, changes: object = {}): typeof fetch {
  return guardedFetch({
    endpoint: new URL(base),
    key: () => "k",
    authorization: (key) => ({ authorization: `Bearer ${key}` }),
    silenceSeconds: 5,
    maxRetries: 2,
    enter: async () => () => undefined,
    called: () => undefined,
    retried: () => undefined,
    ...changes,
  });
}

it.each(["/v2/chat", "/", "/v1/../admin", "/v10"])(
  "a request to %s leaves the base_url and is not sent",
  async (path) => {
    const fetchModel = fetchFor(server.openaiUrl);
    expect((await errorOf(() => fetchModel(server.url + path))).code).toBe("base_url_not_allowed");
    expect((await errorOf(() => fetchModel(`http://localhost:${new URL(server.url).port}/v1`))).code).toBe(
      "base_url_not_allowed",
    );
    expect(server.requests).toEqual([]);
  },
);

it("an answer may take long as long as it comes", async () => {
  const slow = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let left = 6;
    const tick = setInterval(() => {
      response.write(`data: ${left}\n\n`);
      if (--left > 0) return;
      clearInterval(tick);
      response.end();
    }, 100);
  });
  await new Promise<void>((done) => slow.listen(0, "127.0.0.1", done));
  const base = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`;

  const response = await fetchFor(base, { silenceSeconds: 0.4 })(`${base}/stream`);

  expect((await response.text()).match(/data/g)).toHaveLength(6);
  await new Promise((done) => slow.close(done));
});

it("who cancels while it waits to try again is not kept waiting", async () => {
  server.reply([{ status: 429, headers: { "retry-after": "9" } }]);
  const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "Hi" }] });
  const asked = fetchFor(server.openaiUrl)(`${server.openaiUrl}/chat/completions`, {
    method: "POST",
    body,
    signal: AbortSignal.timeout(200),
  });
  const started = performance.now();
  await expect(asked).rejects.toMatchObject({ name: "AbortError" });
  expect(performance.now() - started).toBeLessThan(3_000);
  expect(server.requests).toHaveLength(1);
});
