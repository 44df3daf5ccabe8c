import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { registry } from "../../src/observability/metrics.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { makeAuthority } from "../support/certificates.ts";
import { type OwnRedis, startOwnRedis } from "../support/own-redis.ts";
import { get, postEvent } from "../support/post.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { readStream } from "../support/sse.ts";
import { until } from "../support/wait.ts";

const WORDS = "one two three ".repeat(30);

describe("a Redis that goes away", { timeout: 60_000 }, () => {
  let redis: OwnRedis;
  let service: TestService;
  beforeEach(async () => {
    redis = await startOwnRedis();
    service = await startTestService({ REDIS_URL: redis.url });
    await until(async () => (await ready()).services["redis"], { what: "Redis to be connected" });
  });
  afterEach(async () => {
    redis.goOn();
    await service.close();
    await redis[Symbol.asyncDispose]();
  });

  const ready = async () => {
    const reply = await get(`${service.url}/ready`);
    return { ...(reply.json() as { services: Record<string, boolean> }), status: reply.status };
  };
  const figure = async (name: string) => {
    const metric = await registry.getSingleMetric(name)?.get();
    return metric?.values[0]?.value ?? 0;
  };
  const run = async (jobId?: string) => {
    const event = executeEvent({
      agent_definition: scripted({ content: WORDS, delay_ms: 50 }),
      ...(jobId && { job_id: jobId }),
    });
    const startedAt = performance.now();
    const reply = await postEvent(service.url, event);
    expect(reply.headers["ce-type"]).toBe("dev.my-platform.agent.completed");
    return { jobId: String(event.data["job_id"]), ms: performance.now() - startedAt };
  };
  const whole = async (jobId: string) => {
    const { events, ended } = readStream(`${service.url}/jobs/${jobId}/events`);
    await ended;
    return events;
  };

  it("is killed: runs do not feel it, readers get their end, and the pod stays ready", async () => {
    await run();
    await redis.kill();

    const { jobId, ms } = await run();
    expect(ms).toBeLessThan(2000);
    await until(async () => !(await ready()).services["redis"], { what: "the outage to be seen" });
    expect((await ready()).status).toBe(200);
    const events = await whole(jobId);

    expect(events.map(({ event }) => event)).toEqual(["end"]);
    expect(events[0]?.data.data).toMatchObject({ status: "completed", final_result: { output: WORDS } });
  });

  it("comes back empty: what waited is published then", async () => {
    await redis.kill();
    const { jobId } = await run();

    const again = await startOwnRedis({ port: redis.port });
    try {
      await until(async () => (await ready()).services["redis"], {
        what: "Redis to be back",
        timeoutMs: 15_000,
      });
      const events = await whole(jobId);

      expect(events[0]?.event).toBe("on_state_update");
      expect(events.at(-1)).toMatchObject({ event: "end", id: expect.any(String) });
    } finally {
      await again[Symbol.asyncDispose]();
    }
  });

  it("is stopped in the middle: runs do not feel it, and what was lost is counted and marked", async () => {
    const { jobId } = await run();
    const refused = await figure("agent_executor_redis_publish_errors_total");
    redis.stop();

    const { ms } = await run(jobId);
    expect(ms).toBeLessThan(2000);
    await until(async () => (await figure("agent_executor_redis_publish_errors_total")) > refused, {
      what: "the frames to be given up",
      timeoutMs: 15_000,
    });
    redis.goOn();
    await until(async () => (await ready()).services["redis"], {
      what: "Redis to be back",
      timeoutMs: 20_000,
    });
    await run(jobId);

    const events = await whole(jobId);
    expect(events.filter(({ event }) => event === "gap")).toHaveLength(1);
    const ids = events.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(events.at(-1)?.event).toBe("end");
  });

  it("drops frames when too many wait, and counts them", async () => {
    const dropped = await figure("agent_executor_stream_dropped_total");
    await redis.kill();

    await Promise.all(
      Array.from({ length: 6 }, () => {
        const agent_definition = scripted("word ".repeat(2500));
        return postEvent(service.url, executeEvent({ agent_definition }));
      }),
    );

    expect(await figure("agent_executor_stream_dropped_total")).toBeGreaterThan(dropped);
  });
});

describe("a Redis with a password and TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "redis-ca-"));
  const authority = makeAuthority();
  writeFileSync(join(folder, "ca.pem"), authority.ca);
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("is used with its authority and its password, and with no other", { timeout: 60_000 }, async () => {
    const certificate = { ...authority.issue(), ca: authority.ca };
    await using redis = await startOwnRedis({ password: "p@ss/word", certificate });
    const REDIS_URL = `rediss://:${encodeURIComponent("p@ss/word")}@localhost:${redis.port}`;
    const env = { REDIS_URL, REDIS_CACERT: join(folder, "ca.pem") };
    const service = await startTestService(env);
    const wrong = await startTestService({ ...env, REDIS_PASSWORD: "wrong" });
    const untrusting = await startTestService({ REDIS_URL });

    const isUp = async ({ url }: { url: string }) => {
      const { services } = (await get(`${url}/ready`)).json() as { services: Record<string, boolean> };
      return services["redis"];
    };
    await until(() => isUp(service), { what: "Redis to be connected", timeoutMs: 15_000 });
    const event = executeEvent({ agent_definition: scripted("hello") });
    await postEvent(service.url, event);
    const { events, ended } = readStream(`${service.url}/jobs/${String(event.data["job_id"])}/events`);
    await ended;

    expect(events.at(-1)).toMatchObject({ event: "end", id: expect.any(String) });
    for (const other of [wrong, untrusting]) {
      const reply = await get(`${other.url}/ready`);
      expect([reply.status, reply.json()]).toMatchObject([503, { services: { redis: false } }]);
    }
    await Promise.all([service, wrong, untrusting].map((each) => each.close()));
  });
});
