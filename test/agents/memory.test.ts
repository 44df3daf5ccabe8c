import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Toolbox } from "../../src/agents/toolbox.ts";
import { ports } from "../support/ports.ts";
import { sharedDatabase } from "../support/shared.ts";
import { toldBy } from "./told.ts";

describe.each(ports)("memory on $name", ({ open }) => {
  const db = sharedDatabase(open);

  async function aJob(owner: string | null = null): Promise<string> {
    const id = randomUUID();
    await db.query("a-job", "insert into jobs (job_id, last_seq, owner) values ($1, 1, $2)", [id, owner]);
    return id;
  }

  /** The answers to these calls in a run of the job. */
  async function remember(jobId: string | undefined, scope: string, ...calls: [string, object][]) {
    const tools = ["get", "put", "list"].map((verb) => ({
      name: verb,
      runtime: { type: "builtin", name: `memory_${verb}`, scope },
    }));
    const named = calls.map(([name, args]) => ({ name, args }));
    const told = await toldBy(new Toolbox({ db }), tools, named, { run_facts: { job_id: jobId } });
    return told.map(([text, status]) => (status === "success" ? text : `error: ${text}`));
  }

  it("gives back what was put, replaces it, lists it and forgets it", async () => {
    const job = await aJob();

    const told = await remember(
      job,
      "job",
      ["get", { key: "city" }],
      ["put", { key: "city", value: "Paris" }],
      ["put", { key: "city", value: { name: "Rome", odd: "a\u0000b" } }],
      ["put", { key: "c%", value: [1, null] }],
      ["get", { key: "city" }],
      ["list", {}],
      ["list", { prefix: "c%" }],
      ["put", { key: "city", value: null }],
      ["get", { key: "city" }],
    );

    expect(told).toEqual([
      "nothing is remembered under this key",
      "remembered",
      "remembered",
      "remembered",
      '{"name":"Rome","odd":"ab"}',
      '{"keys":["c%","city"],"more":false}',
      '{"keys":["c%"],"more":false}',
      "forgotten",
      "nothing is remembered under this key",
    ]);
  });

  it("of a job is the job's own, and goes with it", async () => {
    const [one, other] = [await aJob("ada"), await aJob("ada")];
    await remember(one, "job", ["put", { key: "k", value: 1 }]);

    expect(await remember(other, "job", ["get", { key: "k" }])).toEqual([
      "nothing is remembered under this key",
    ]);
    await db.query("job-gone", "delete from jobs where job_id = $1", [one]);
    const [left] = await db.query<{ n: string }>(
      "memory-left",
      "select count(*)::text as n from memory where job_id = $1",
      [one],
    );
    expect(left).toEqual({ n: "0" });
  });

  it("of an owner is there in all jobs of that owner, and in nobody else's", async () => {
    await remember(await aJob("grace"), "owner", ["put", { key: "k", value: "hers" }]);

    expect(await remember(await aJob("grace"), "owner", ["get", { key: "k" }])).toEqual(['"hers"']);
    for (const owner of ["eve", null]) {
      const told = await remember(await aJob(owner), "owner", ["get", { key: "k" }], ["list", {}]);
      expect(told).toEqual(["nothing is remembered under this key", '{"keys":[],"more":false}']);
    }
    const asJob = await remember(await aJob("job:x"), "owner", ["list", {}]);
    expect(asJob).toEqual(['{"keys":[],"more":false}']);
  });

  it("has limits: 64 KiB a value, 256 characters a key, 1000 entries", async () => {
    const job = await aJob();
    await db.query(
      "fill-memory",
      `insert into memory (scope, job_id, key, value)
       select 'job:' || $1, $1, 'k' || n, '1' from generate_series(1, 1000) n`,
      [job],
    );

    const told = await remember(
      job,
      "job",
      ["put", { key: "k1", value: 2 }],
      ["put", { key: "new", value: 2 }],
      ["put", { key: "k1", value: "x".repeat(70_000) }],
      ["put", { key: "k".repeat(257), value: 1 }],
      ["list", {}],
    );

    expect(told.slice(0, 4)).toEqual([
      "remembered",
      expect.stringMatching(/^error: 1000 entries/),
      expect.stringMatching(/^error: the value is longer/),
      expect.stringMatching(/^error: The arguments do not fit: \/key/),
    ]);
    expect(JSON.parse(told[4] ?? "")).toMatchObject({ more: true });
  });

  it("needs a job", async () => {
    expect(await remember(undefined, "job", ["get", { key: "k" }])).toEqual([
      "error: there is no memory outside a job",
    ]);
  });
});
