import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { executeEvent, scripted } from "../support/agents.ts";
import { makeAuthority } from "../support/certificates.ts";
import { freshDatabase } from "../support/databases.ts";
import { NatsServer } from "../support/nats-server.ts";
import { get, postEvent } from "../support/post.ts";
import { spawnService } from "../support/process.ts";
import { startOn, startTestService } from "../support/service.ts";
import { freePort, until } from "../support/wait.ts";
import { consumerState, isAllAcknowledged, resultFor, resultsOf, structured } from "./messages.ts";

const slowly = (ms: number) => scripted({ content: "slow answer", delay_ms: ms });
const isUp = async (url: string) =>
  ((await get(`${url}/ready`)).json() as { services: { nats: boolean } }).services.nats;

describe("the line to NATS", () => {
  it("may be dead at the start: HTTP goes on, /ready says so, and the jobs come when it is there", async () => {
    const port = await freePort();
    const service = await startTestService({ NATS_URL: `nats://127.0.0.1:${port}` });
    const ready = await get(`${service.url}/ready`);
    expect([ready.status, ready.json()]).toMatchObject([200, { services: { nats: false } }]);
    expect((await postEvent(service.url, executeEvent())).status).toBe(200);

    const nats = await NatsServer.start([], {}, port);
    await until(() => isUp(service.url), { what: "/ready to say nats", timeoutMs: 15_000 });
    const event = executeEvent();
    await nats.send("agent.execute.late", structured(event));

    expect((await resultFor(nats, event.id)).subject).toBe("agent.status.completed");
    await service.close();
    await nats.close();
  }, 40_000);

  it("may break under runs: they go on, and their results and acknowledgements come when it is back", async () => {
    const nats = await NatsServer.start();
    const service = await startTestService({ NATS_URL: nats.url, NATS_ACK_WAIT_SECONDS: "2" });
    await until(() => consumerState(nats), { what: "the consumer" });
    const events = Array.from({ length: 6 }, () => executeEvent({ agent_definition: slowly(1500) }));
    for (const event of events) await nats.send("agent.execute.broken", structured(event));
    await until(async () => (await consumerState(nats)).num_ack_pending === 6, { what: "all to run" });

    await nats.down();
    await until(async () => !(await isUp(service.url)), { what: "/ready to say that it is gone" });
    expect((await postEvent(service.url, executeEvent())).status).toBe(200);
    const ended = () =>
      service.database
        .sql("select count(*)::int as n from agent_executor.runs where status = 'completed'")
        .then(([row]) => row?.["n"] === 7);
    await until(ended, { what: "the runs to end without NATS" });
    await nats.up();

    await Promise.all(events.map(({ id }) => resultFor(nats, id, 20_000)));
    await until(() => isAllAcknowledged(nats), { what: "all to be acknowledged", timeoutMs: 20_000 });
    const ids = (await resultsOf(nats)).map(({ event }) => event.id);
    expect(new Set(ids).size).toBe(ids.length);
    const [row] = await service.database.sql("select max(attempt)::int as n from agent_executor.runs");
    expect(row).toEqual({ n: 1 });
    await service.close();
    await nats.close();
  }, 60_000);

  it("only looks for streams with NATS_MANAGE=false, and says which is missing", async () => {
    const nats = await NatsServer.start();
    await using database = await freshDatabase({ mayLeak: true });
    const env = { DATABASE_URL: database.url, NATS_URL: nats.url };
    await using spawned = await spawnService({ ...env, NATS_MANAGE: "false" });
    await spawned.waitForHealth();

    const line = await spawned.waitForLog((one) => JSON.stringify(one).includes("NATS_MANAGE=false"), 15_000);

    expect(JSON.stringify(line)).toContain("stream AGENT_EXECUTION on agent.execute.*");
    expect((await (await nats.manager()).getAccountInfo()).streams).toBe(0);
    const other = await startOn(database, env); // this one makes them
    await until(() => isUp(spawned.url), { what: "the first to find them", timeoutMs: 15_000 });
    await other.close();
    await nats.close();
  }, 60_000);
});

describe("TLS and credentials of NATS", () => {
  const folder = mkdtempSync(join(tmpdir(), "nats-tls-"));
  const authority = makeAuthority();
  const { key, cert } = authority.issue();
  const path = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  let nats: NatsServer;
  beforeAll(async () => {
    const tls = ["--tls", "--tlscert", path("cert", cert), "--tlskey", path("key", key)];
    const login = { user: "me", pass: "the-password", tls: { ca: authority.ca } };
    nats = await NatsServer.start([...tls, "--user", "me", "--pass", "the-password"], login);
  });
  afterAll(async () => {
    await nats.close();
    rmSync(folder, { recursive: true });
  });

  it("let jobs through, and no password gets into a log", async () => {
    await using database = await freshDatabase({ mayLeak: true });
    await using spawned = await spawnService({
      DATABASE_URL: database.url,
      NATS_URL: `tls://me:the-password@127.0.0.1:${nats.port}`,
      NATS_CA_FILE: path("ca", authority.ca),
      LOG_LEVEL: "trace",
    });
    await spawned.waitForHealth();
    await until(() => isUp(spawned.url), { what: "the line", timeoutMs: 15_000 });
    const event = executeEvent();

    await nats.send("agent.execute.safe", structured(event));

    expect((await resultFor(nats, event.id)).subject).toBe("agent.status.completed");
    expect([...spawned.stdout, ...spawned.stderr].join("\n")).not.toContain("the-password");
  }, 40_000);

  it.each([
    ["a wrong password", (port: number) => ({ NATS_URL: `tls://me:wrong-secret@127.0.0.1:${port}` })],
    [
      "an authority it does not know",
      (port: number) => ({
        NATS_URL: `tls://me:the-password@127.0.0.1:${port}`,
        NATS_CA_FILE: path("other", makeAuthority("Other").ca),
      }),
    ],
    [
      "credentials that are not there",
      (port: number) => ({ NATS_URL: `tls://127.0.0.1:${port}`, NATS_CREDS_FILE: "/nowhere/nats.creds" }),
    ],
  ])(
    "keep the line away with %s, and only the line",
    async (_what, env) => {
      await using database = await freshDatabase({ mayLeak: true });
      const ca = { NATS_CA_FILE: path("ca", authority.ca) };
      await using spawned = await spawnService({ DATABASE_URL: database.url, ...ca, ...env(nats.port) });
      await spawned.waitForHealth();

      await spawned.waitForLog(({ message }) => message === "NATS is not usable yet", 15_000);

      expect((await postEvent(spawned.url, executeEvent())).status).toBe(200);
      expect(await isUp(spawned.url)).toBe(false);
      expect([...spawned.stdout, ...spawned.stderr].join("\n")).not.toMatch(/wrong-secret|the-password/);
    },
    40_000,
  );
});
