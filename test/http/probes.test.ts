import Fastify from "fastify";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { healthPlugin, type Readiness } from "../../src/http/health.ts";
import type { Service } from "../../src/service.ts";
import { executeEvent, scripted } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { get, postEvent, type Reply } from "../support/post.ts";
import { startOn } from "../support/service.ts";
import { until } from "../support/wait.ts";
import { expectRefusal } from "./refusals.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** The pool waits 5 s for a connection; the rest is for a slow machine. */
const SECONDS = 7000;
const NAMES = ["vault", "postgres", "redis"];

async function timed<T>(work: Promise<T>): Promise<[T, ms: number]> {
  const startedAt = performance.now();
  return [await work, performance.now() - startedAt];
}

describe("probes and events while Postgres comes and goes", () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let service: Service;
  beforeAll(async () => {
    database = await freshDatabase();
    proxy = await TcpProxy.open(database);
    const url = Object.assign(new URL(database.url), { hostname: "127.0.0.1", port: String(proxy.port) });
    service = await startOn({ ...database, url: url.href }, { RUN_LEASE_SECONDS: "9" });
  });
  afterEach(async () => {
    proxy.become("cut"); // what was swallowed is not waited for
    proxy.become("fair");
    await until(isReady, { what: "the service to be ready again", timeoutMs: 10_000 });
  });
  afterAll(async () => {
    await service.close();
    await proxy.close();
    await database[Symbol.asyncDispose]();
  });
  const isReady = async () => (await get(`${service.url}/ready`)).status === 200;

  it("says what it is made of when it is ready", async () => {
    const reply = await get(`${service.url}/ready`);

    expect(reply.json()).toEqual({
      status: "ready",
      services: Object.fromEntries(NAMES.map((name) => [name, true])),
      embedded: ["vault", "redis"],
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
    expect((await get(`${service.url}/health`)).json()).toEqual({
      status: "healthy",
      timestamp: expect.any(String),
    });
  });

  it.each(["cut", "silent"] as const)(
    "is healthy but not ready while Postgres is away (%s), and back after it",
    async (weather) => {
      proxy.become(weather);

      const isAway = async () => {
        const [reply, ms] = await timed(get(`${service.url}/ready`));
        expect(ms).toBeLessThan(1500);
        return reply.status === 503 && reply;
      };
      const notReady = await until(isAway, { what: "the outage to be seen", timeoutMs: 2500 });
      const [health, ms] = await timed(get(`${service.url}/health`));
      expect(notReady.json()).toMatchObject({
        status: "not_ready",
        services: { postgres: false, redis: true },
      });
      expect([health.status, ms < 500]).toEqual([200, true]);
      expect((await get(`${service.url}/metrics`)).status).toBe(200);

      proxy.become("fair");
      await until(isReady, { what: "the return to be seen", timeoutMs: 2500 });
    },
  );

  it("sends events away with 503 while Postgres is away, and loses none that it took", async () => {
    const event = executeEvent();
    proxy.become("cut");

    const answers = await Promise.all([
      timed(postEvent(service.url, event)),
      timed(postEvent(service.url, executeEvent(), { headers: { prefer: "respond-async" } })),
      timed(get(`${service.url}/jobs`)),
      timed(get(`${service.url}/jobs/some`)),
    ]);
    proxy.become("fair");

    for (const [reply, ms] of answers) {
      expectRefusal(reply, "database_unavailable");
      expect(ms).toBeLessThan(SECONDS);
    }
    expect(await database.sql("select 1 from agent_executor.events where event_id = $1", [event.id])).toEqual(
      [],
    );
    expect((await postEvent(service.url, event)).json()).toMatchObject({ result: { output: "done" } });
  });

  it("answers in seconds when no connection can be made, however many ask", async () => {
    proxy.become("cut"); // none of the pool is left
    proxy.become("silent");

    const answers = await Promise.all(
      Array.from({ length: 30 }, () => timed(postEvent(service.url, executeEvent()))),
    );

    for (const [reply, ms] of answers) {
      expectRefusal(reply, "database_unavailable");
      expect(ms).toBeLessThan(SECONDS);
    }
  });

  it("answers in seconds when connections fall silent in use", async () => {
    await Promise.all(Array.from({ length: 12 }, () => postEvent(service.url, executeEvent())));
    proxy.become("silent");

    const answers = await Promise.all(
      Array.from({ length: 12 }, () => timed(postEvent(service.url, executeEvent()))),
    );

    for (const [reply, ms] of answers) {
      expectRefusal(reply, "database_unavailable");
      expect(ms).toBeLessThan(SECONDS);
    }
  });

  it("runs an event to its end that was in hand when Postgres went", async () => {
    const event = executeEvent({ agent_definition: scripted({ content: "after all", delay_ms: 400 }) });
    const first = postEvent(service.url, event);
    const begun = async () =>
      (await database.sql("select 1 from agent_executor.runs where event_id = $1", [event.id])).length > 0;
    await until(begun, { what: "the run to begin" });

    proxy.become("cut");
    const [reply, ms] = await timed(first);
    proxy.become("fair");

    expectRefusal(reply, "database_unavailable");
    expect(ms).toBeLessThan(SECONDS);
    const settled = async (): Promise<Reply | false> => {
      const again = await postEvent(service.url, event);
      return again.status === 200 && again;
    };
    const again = await until(settled, { what: "the redelivery to get the outcome", timeoutMs: 15_000 });
    expect(again.json()).toMatchObject({ result: { output: "after all" } });
  });
});

describe("looks at the services", () => {
  it("are shared by all probes of a second, and each is waited for by all who came meanwhile", async () => {
    const looks: ((readiness: Readiness) => void)[] = [];
    const app = Fastify({ forceCloseConnections: true });
    await app.register(healthPlugin, { readiness: () => new Promise<Readiness>((done) => looks.push(done)) });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    const probe = () => get(`${url}/ready`);

    const many = Array.from({ length: 100 }, probe);
    await until(() => looks.length > 0, { what: "the first look" });
    expect((await get(`${url}/health`)).status).toBe(200); // waits for none
    looks[0]?.({ ready: true, services: { postgres: true }, embedded: [] });
    const statuses = new Set((await Promise.all([...many, probe(), probe()])).map((reply) => reply.status));
    expect([[...statuses], looks.length]).toEqual([[200], 1]);

    const later = probe();
    const lookAgain = async () => {
      await Promise.race([probe(), new Promise((done) => setTimeout(done, 50))]);
      return looks.length === 2;
    };
    await until(lookAgain, { what: "the next look", timeoutMs: 1500 });
    looks[1]?.({ ready: false, services: { postgres: false }, embedded: [] });
    expect((await later).status).toBe(200);
    expect((await probe()).status).toBe(503);
    await app.close();
  });
});
