import { beforeAll, describe, expect, it } from "vitest";
import { sqlState } from "../../src/postgres/failures.ts";
import { ports } from "../support/ports.ts";
import { sharedDatabase } from "../support/shared.ts";

describe.each(ports)("the database port over $name", ({ open }) => {
  const db = sharedDatabase(open);
  beforeAll(async () => {
    await db.query("make", "create table things (id integer primary key, what text)");
  });

  it("gives int8 as string, bytea as Buffer, timestamptz as Date, json parsed and arrays as arrays", async () => {
    const [row] = await db.query(
      "types",
      `select 9007199254740993::int8 as big, '\\x00ff'::bytea as bytes, '2026-01-02T03:04:05Z'::timestamptz as at,
              '{"a":[1]}'::json as json, $1::text[] as list, true as yes, null as nothing, 1.5::float8 as half`,
      [["a", 'b"c', ""]],
    );

    expect(row).toEqual({
      big: "9007199254740993",
      bytes: Buffer.from([0, 255]),
      at: new Date("2026-01-02T03:04:05Z"),
      json: { a: [1] },
      list: ["a", 'b"c', ""],
      yes: true,
      nothing: null,
      half: 1.5,
    });
    expect(row?.["bytes"]).toBeInstanceOf(Buffer);
  });

  it("runs a named statement again and again, with other statements between", async () => {
    for (let round = 0; round < 3; round++) {
      expect(await db.query("plus", "select $1::integer + 1 as n", [round])).toEqual([{ n: round + 1 }]);
      expect(await db.query("minus", "select $1::integer - 1 as n", [round])).toEqual([{ n: round - 1 }]);
    }
  });

  it("keeps all of a transaction, or nothing of it", async () => {
    await db.transaction(async (tx) => {
      await tx.query("add", "insert into things values ($1, $2)", [1, "kept"]);
    });
    const failed = db.transaction(async (tx) => {
      await tx.query("add", "insert into things values ($1, $2)", [2, "gone"]);
      throw new Error("changed my mind");
    });

    await expect(failed).rejects.toThrow("changed my mind");
    expect(await db.query("all", "select * from things order by id")).toEqual([{ id: 1, what: "kept" }]);
  });

  it("says by SQLSTATE why a statement failed, and goes on after it", async () => {
    const failure = await db.query("add", "insert into things values ($1, $2)", [1, "twice"]).catch((e) => e);

    expect(sqlState(failure)).toBe("23505");
    expect(await db.query("still", "select 1 as n")).toEqual([{ n: 1 }]);
  });

  it("serves many at once, transactions among them, without mixing them up", async () => {
    const work = Array.from({ length: 40 }, (_, i) =>
      i % 2 === 0
        ? db.query<{ n: number }>("echo", "select $1::integer as n", [i])
        : db.transaction(async (tx) => {
            await tx.query("one", "select 1");
            return await tx.query<{ n: number }>("echo", "select $1::integer as n", [i]);
          }),
    );

    const answers = await Promise.all(work);
    expect(answers.map((rows) => rows[0]?.n)).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });
});
