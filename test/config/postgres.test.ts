import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { configOf, notesOf, problemsOf } from "./support.ts";

describe("Postgres", () => {
  test("a host alone is enough for a stock server", () => {
    expect(configOf({ PG_HOST: "127.0.0.1" }).postgres).toEqual({
      kind: "server",
      host: "127.0.0.1",
      port: 5432,
      user: "postgres",
      password: undefined,
      database: "postgres",
      ssl: false,
      poolSize: 10,
      schema: "agent_executor",
    });
  });

  test("any parts survive the way through DATABASE_URL", () => {
    const part = fc.string({ unit: "binary", minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(part, part, part, (user, password, database) => {
        const [u, p, d] = [user, password, database].map(encodeURIComponent);
        const { postgres } = configOf({ DATABASE_URL: `postgresql://${u}:${p}@[::1]:6543/${d}` });
        expect(postgres).toMatchObject({ host: "::1", port: 6543, user, password, database });
      }),
    );
  });

  test.each([
    ["disable", false],
    ["no-verify", { rejectUnauthorized: false }],
    ["require", { rejectUnauthorized: true }],
    ["verify-full", { rejectUnauthorized: true }],
  ])("sslmode=%s", (mode, ssl) => {
    expect(configOf({ DATABASE_URL: `postgres://db/x?sslmode=${mode}` }).postgres).toMatchObject({ ssl });
  });

  test("an unknown sslmode is refused, and a parameter that is not used is named", () => {
    expect(problemsOf({ DATABASE_URL: "postgres://db?sslmode=prefer" })).toEqual([
      "DATABASE_URL: its sslmode is not known; expected one of disable, no-verify, require, verify-full",
    ]);
    const notes = notesOf({ DATABASE_URL: "postgres://db?sslmode=require&channel_binding=require" });
    expect(notes).toBe("DATABASE_URL: its channel_binding is not used");
  });

  test("a socket folder may be the host", () => {
    const inQuery = configOf({ DATABASE_URL: "postgres:///app?host=/var/run/postgresql" }).postgres;
    expect(inQuery).toMatchObject({ host: "/var/run/postgresql", database: "app" });
    const alone = configOf({ PG_HOST: "/var/run/postgresql" }).postgres;
    expect(alone).toMatchObject({ host: "/var/run/postgresql" });
  });

  test("single variables replace their part of DATABASE_URL, and a note says so", () => {
    const env = { DATABASE_URL: "postgres://u:p@db:1/x", PG_HOST: "other", PG_PASSWORD: "q" };
    expect(configOf(env).postgres).toMatchObject({
      host: "other",
      port: 1,
      user: "u",
      password: "q",
      database: "x",
    });
    expect(notesOf(env)).toBe("PG_HOST, PG_PASSWORD replaces its part of DATABASE_URL");
  });

  test("a user without a host is refused, not ignored", () => {
    expect(problemsOf({ PG_USER: "me" })).toEqual([
      "PG_HOST: missing, while PG_USER is set; expected a host name",
    ]);
  });

  test.each([
    "mysql://u:hunter2@db/x",
    "hunter2",
    "postgres://u:hunter2%zz@db/x",
    "postgres://u:1/hunter2@db/x",
    "postgres://u:1?hunter2@db/x",
    "postgres://u:1#hunter2@db/x",
    "postgres://u:hunter2:x@db:port/x",
  ])("a DATABASE_URL that cannot be read is refused unseen: %s", (url) => {
    const problems = problemsOf({ DATABASE_URL: url });
    expect(problems).toEqual([expect.stringContaining("DATABASE_URL: cannot be read")]);
    expect(problems.join()).not.toContain("hunter2");
  });

  test("no password is quoted in an error or a note, wherever it stands", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 6 }), (tail) => {
        const password = `Zq9${tail}`;
        const env = { DATABASE_URL: `postgres://u:${password}@db/x`, PG_USER: "me", PORT: "x" };
        expect(problemsOf(env).join("\n")).not.toContain("Zq9");
        const readable = { ...env, PORT: undefined };
        if (problemsOf(readable).length === 0) expect(notesOf(readable)).not.toContain("Zq9");
      }),
    );
  });
});
