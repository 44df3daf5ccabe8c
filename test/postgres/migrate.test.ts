import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { STOCK_VERSION, setUpCheckpoints } from "../../src/checkpoints/set-up.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { emptyDatabase } from "../support/databases.ts";
import { serverPort } from "../support/ports.ts";

describe("migrating", () => {
  let database: Awaited<ReturnType<typeof emptyDatabase>>;
  beforeAll(async () => {
    database = await emptyDatabase();
  });
  afterAll(() => database[Symbol.asyncDispose]());

  it("is done once when eight processes start at the same moment", async () => {
    const processes = Array.from({ length: 8 }, () => serverPort(database, 2));

    await Promise.all(processes.map((db) => migrate(db, [(tx) => setUpCheckpoints(tx, db.schema)])));

    const applied = await database.sql("select name, count(*) from agent_executor.migrations group by name");
    expect(applied.length).toBeGreaterThanOrEqual(2);
    expect(applied.every((row) => row["count"] === "1")).toBe(true);
    await Promise.all(processes.map((db) => db.close()));
  });

  it("leaves nothing behind when it fails in the middle", async () => {
    const db = serverPort(database, 2);
    await database.sql("drop schema agent_executor cascade");

    const failing = migrate(db, [
      async () => {
        throw new Error("killed here");
      },
    ]);

    await expect(failing).rejects.toThrow("killed here");
    expect(await database.sql("select 1 from pg_namespace where nspname = 'agent_executor'")).toEqual([]);
    await migrate(db, [(tx) => setUpCheckpoints(tx, db.schema)]);
    await db.close();
  });

  it("knows how many migrations the installed stock saver has", async () => {
    const [row] = await database.sql("select max(v) as v from agent_executor.checkpoint_migrations");

    expect(row?.["v"]).toBe(STOCK_VERSION);
  });
});
