import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RotatingDatabase } from "../../src/postgres/rotating.ts";
import { openServer } from "../../src/postgres/server.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { type PasswordRole, passwordRole } from "../support/password-role.ts";
import { until } from "../support/wait.ts";

describe("a database whose password changes", () => {
  let database: TestDatabase;
  let role: PasswordRole;
  let db: RotatingDatabase<string>;
  let inVault: string;
  let questions: number;
  let reports: unknown[];
  beforeEach(async () => {
    database = await freshDatabase();
    role = await passwordRole("password-1");
    inVault = "password-1";
    questions = 0;
    reports = [];
    db = new RotatingDatabase<string>({
      login: inVault,
      open: (password) =>
        openServer({
          ...{ host: database.host, port: database.port, database: database.database },
          ...{ user: role.user, password, schema: "agent_executor", poolSize: 4, lockHoldMs: 10_000 },
          onConnectionError: () => undefined,
        }),
      lookAgain: async () => {
        questions++;
        db.offer(inVault);
      },
      report: (error) => reports.push(error),
    });
  });
  afterEach(async () => {
    await db.close();
    await database[Symbol.asyncDispose]();
    await role[Symbol.asyncDispose]();
  });
  const one = () => db.query<{ one: number }>("one", "select 1 as one");

  it("is refused by a server that means it: the role needs its password", async () => {
    await role.setPassword("password-2");
    const stranger = openServer({
      ...{ host: database.host, port: database.port, database: database.database, user: role.user },
      ...{
        password: "password-1",
        schema: "public",
        poolSize: 2,
        lockHoldMs: 1000,
        onConnectionError: () => undefined,
      },
    });

    await expect(stranger.query("one", "select 1")).rejects.toMatchObject({ code: "28P01" });
    await stranger.close();
  });

  it("asks for the new one when it is refused, once for all, and nobody notices", async () => {
    await one();
    await role.setPassword("password-2");
    await role.cutConnections();
    await until(async () => (await role.connectionsSince(new Date())).older === 0, { what: "no connection" });
    const waiting = Promise.all(Array.from({ length: 20 }, one));
    inVault = "password-2";

    expect((await waiting).flat()).toEqual(Array(20).fill({ one: 1 }));
    expect(questions).toBeLessThan(4);
  });

  it("holds the work while the new one is not yet in Vault", async () => {
    await role.setPassword("password-2");
    const waiting = one();
    await until(() => questions >= 2, { what: "two questions" });
    inVault = "password-2";

    expect(await waiting).toEqual([{ one: 1 }]);
  });

  it("gives the refusal on when there is no other for long", async () => {
    await role.setPassword("password-2");

    await expect(one()).rejects.toMatchObject({ code: "28P01" });
    inVault = "password-2";
    await until(async () => (await one()).length === 1, { what: "it to work again" });
  }, 20_000);

  it("goes on with the old one as long as the new one does not work yet", async () => {
    await one();
    db.offer("password-2");
    await until(() => reports.length > 0, { what: "the refusal" });
    expect(await one()).toEqual([{ one: 1 }]);

    const rotatedAt = new Date();
    await role.setPassword("password-2");

    const rotated = async () => {
      await one();
      const { older, newer } = await role.connectionsSince(rotatedAt);
      return older === 0 && newer > 0;
    };
    await until(rotated, { what: "new connections only", timeoutMs: 10_000 });
  });

  it("lets a transaction end on the connection that it began on", async () => {
    const result = await db.transaction(async (tx) => {
      const [before] = await tx.query<{ pid: number }>("pid", "select pg_backend_pid() as pid");
      await role.setPassword("password-2");
      db.offer("password-2");
      const outside = async () => {
        const [other] = await db.query<{ started: Date }>(
          "started",
          "select backend_start as started from pg_stat_activity where pid = pg_backend_pid()",
        );
        return other;
      };
      await until(outside, { what: "work beside it" });
      const [after] = await tx.query<{ pid: number }>("pid", "select pg_backend_pid() as pid");
      return before?.pid === after?.pid;
    });

    expect(result).toBe(true);
    expect(reports).toEqual([]);
  });

  it("goes on hearing what is notified", async () => {
    const heard: string[] = [];
    const stop = await db.listen(
      "news",
      (text) => heard.push(text),
      () => undefined,
    );
    const say = async (text: string) => {
      await db.query("say", "select pg_notify('news', $1)", [text]);
      return heard.includes(text);
    };
    await until(() => say("before"), { what: "the first news" });

    const rotatedAt = new Date();
    await role.setPassword("password-2");
    db.offer("password-2");
    await until(async () => (await role.connectionsSince(rotatedAt)).older === 0, {
      what: "the old to be closed",
    });

    await until(() => say("after"), { what: "more news" });
    await stop();
  });
});
