import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { createLogger } from "../../src/observability/logger.ts";
import { makeFrame } from "../../src/streaming/frames.ts";
import { RedisLog } from "../../src/streaming/redis-log.ts";
import { startOwnRedis } from "../support/own-redis.ts";
import { until } from "../support/wait.ts";

it("loses no frame when the password changes", { timeout: 30_000 }, async () => {
  await using redis = await startOwnRedis({ password: "first" });
  let password = "first";
  const log = new RedisLog({
    address: async () => ({ host: "127.0.0.1", port: redis.port, password, tls: false }),
    limits: { maxLength: 10_000, ttlSeconds: 60 },
    log: createLogger("silent"),
  });
  const append = (from: number) => {
    for (let i = from; i < from + 100; i++) {
      log.append("job", makeFrame("on_llm_stream", { runId: "r", attempt: 1 }, { token: `${i}` }));
    }
  };
  await until(() => log.state().isUp, { what: "Redis to be connected", timeoutMs: 10_000 });
  append(0);
  const operator = new Redis({ port: redis.port, password: "first" });
  await operator.config("SET", "requirepass", "second");
  await operator.quit();

  password = "second";
  log.reconnect();
  append(100);
  await until(() => log.state().isUp, { what: "the new connection", timeoutMs: 10_000 });
  append(200);

  const tail = log.open("job");
  const tokens: string[] = [];
  let at: string | undefined;
  await until(
    async () => {
      const { frames } = await tail.next(at);
      tokens.push(...frames.map(({ text }) => JSON.parse(text).data.token));
      at = frames.at(-1)?.id ?? at;
      return tokens.length >= 300;
    },
    { what: "all frames", timeoutMs: 10_000 },
  );
  tail.close();
  await log.close();
  expect(tokens).toEqual(Array.from({ length: 300 }, (_, i) => `${i}`));
});
