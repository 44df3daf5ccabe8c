import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { cancelRuns } from "../../src/runs/cancel.ts";
import { listJobs } from "../../src/runs/jobs.ts";
import { type Caller, requireOwnJob } from "../../src/runs/owner.ts";
import { type AcceptInput, acceptRun } from "../../src/runs/repository.ts";
import { ports } from "../support/ports.ts";
import { anEvent } from "../support/runs.ts";
import { sharedDatabase } from "../support/shared.ts";

const limits = { worker: "w", leaseSeconds: 30, maxQueued: 10_000, maxQueuedOfJob: 10_000 };
const sender = { prefix: "t", source: "s", overrides: new Map(), targets: [], firstAttemptSeconds: 0 };
const alice: Caller = { subject: "alice", groups: [], isOperator: false };
const bob: Caller = { subject: "bob", groups: [], isOperator: false };
const operator: Caller = { subject: "root", groups: [], isOperator: true };

/** "yes", or the code of the refusal. */
const asked = (work: Promise<unknown>) =>
  work.then(
    () => "yes",
    (error: { code?: string }) => error.code,
  );

describe.each(ports)("the owner of a job on $name", ({ open }) => {
  const db = sharedDatabase(open);

  const accept = (jobId: string, caller: Caller | undefined, over: Partial<AcceptInput> = {}) =>
    acceptRun(db, anEvent({ jobId, caller, ...over }), limits);
  const ownerOf = async (jobId: string) =>
    (await db.query("owner-of", "select owner from jobs where job_id = $1", [jobId]))[0]?.["owner"];

  it.each<[string, Caller | undefined, string | null, Record<string, string>]>([
    ["someone", alice, "alice", { nobody: "yes", alice: "yes", bob: "forbidden", operator: "yes" }],
    [
      "an operator",
      operator,
      "root",
      { nobody: "yes", alice: "forbidden", bob: "forbidden", operator: "yes" },
    ],
    ["nobody", undefined, null, { nobody: "yes", alice: "forbidden", bob: "forbidden", operator: "yes" }],
  ])("is %s who started it, and decides whose next turns are taken", async (_, first, owner, expected) => {
    const jobId = randomUUID();
    await accept(jobId, first);

    const callers = { nobody: undefined, alice, bob, operator };
    const answers = Object.entries(callers).map(async ([name, caller]) => [
      name,
      await asked(accept(jobId, caller)),
    ]);

    expect(Object.fromEntries(await Promise.all(answers))).toEqual(expected);
    expect(await ownerOf(jobId)).toBe(owner); // an operator's turn takes nothing over
  });

  it("is one of the two who start it at the same moment, two hundred times; the other leaves nothing", async () => {
    const jobs = Array.from({ length: 200 }, () => randomUUID());

    const answers = await Promise.all(
      jobs.map((jobId) => Promise.all([alice, bob].map((each) => asked(accept(jobId, each))))),
    );

    for (const answer of answers) expect(answer.toSorted()).toEqual(["forbidden", "yes"]);
    const left = await db.query<{ owner: string; runs: number; events: number; last_seq: number }>(
      "race-left",
      `select j.owner, j.last_seq, count(r.run_id)::int as runs, count(e.run_id)::int as events
         from jobs j join runs r using (job_id) left join events e on e.run_id = r.run_id
        where j.job_id = any($1) group by j.job_id`,
      [jobs],
    );
    expect(left).toHaveLength(200);
    for (const row of left) expect(row).toMatchObject({ runs: 1, events: 1, last_seq: 1 });
    const owners = answers.map(([first]) => (first === "yes" ? "alice" : "bob")).toSorted();
    expect(left.map((row) => row.owner).toSorted()).toEqual(owners);
  });

  it("alone gets the answer to a copy of the event that started it", async () => {
    const jobId = randomUUID();
    const eventId = randomUUID();
    const { runId } = await accept(jobId, alice, { eventId });

    expect(await accept(jobId, alice, { eventId })).toMatchObject({ isNew: false, runId });
    expect(await accept(jobId, operator, { eventId })).toMatchObject({ isNew: false, runId });
    expect(await asked(accept(jobId, bob, { eventId }))).toBe("forbidden");
    expect(await asked(accept(randomUUID(), bob, { eventId }))).toBe("forbidden");
  });

  it("is asked about before the definition is: a stranger learns nothing of the job", async () => {
    const jobId = randomUUID();
    await accept(jobId, alice);

    const bare = { definitionHash: null, definition: null };

    expect(await asked(accept(jobId, bob, bare))).toBe("forbidden");
    expect(await asked(accept(jobId, alice, bare))).toBe("yes");
  });

  it("may cancel it; nobody else may, not even by a copy of the owner's request", async () => {
    const jobId = randomUUID();
    const { runId } = await accept(jobId, alice, { mayStart: false });
    const event = { source: "tests", eventId: randomUUID() };
    const cancel = (caller: Caller, over: { jobId?: string } = {}) =>
      asked(cancelRuns(db, { jobId, caller, event, ...over }, sender));
    const other = randomUUID();
    await accept(other, bob);

    expect(await cancel(bob)).toBe("forbidden");
    expect(await cancel(alice)).toBe("yes");
    expect(await cancel(bob)).toBe("forbidden");
    expect(await cancel(bob, { jobId: other })).toBe("forbidden"); // it would answer with alice's run
    expect(await cancel(operator)).toBe("yes");
    const [run] = await db.query("cancelled", "select status from runs where run_id = $1", [runId]);
    expect(run).toEqual({ status: "cancelled" });
  });

  it("sees it in the list, page by page; others do not, but for operators", async () => {
    const mine = Array.from({ length: 5 }, () => randomUUID());
    const carol: Caller = { subject: randomUUID(), groups: [], isOperator: false };
    for (const jobId of mine) {
      await accept(jobId, carol);
      await accept(randomUUID(), bob);
    }

    const first = await listJobs(db, { limit: 3 }, carol);
    const second = await listJobs(db, { limit: 3, after: first.next ?? "" }, carol);

    const listed = [...first.jobs, ...second.jobs].map(({ job_id }) => job_id);
    expect(listed).toEqual(mine.toReversed());
    expect(second.next).toBeNull();
    const all = (await listJobs(db, { limit: 10 }, operator)).jobs.map(({ job_id }) => job_id);
    expect(all).toHaveLength(10);
    expect(all).toEqual(expect.arrayContaining(mine));
    expect((await listJobs(db, { limit: 10 })).jobs).toHaveLength(10); // where nobody is told apart
  });

  it("may look at it; an unknown job is unknown to everyone", async () => {
    const jobId = randomUUID();
    await accept(jobId, alice);

    const look = (id: string, caller: Caller | undefined) => asked(requireOwnJob(db, id, caller));

    expect(await Promise.all([alice, bob, operator, undefined].map((each) => look(jobId, each)))).toEqual([
      "yes",
      "forbidden",
      "yes",
      "yes",
    ]);
    expect(await look(randomUUID(), bob)).toBe("unknown_job");
  });

  it("is nobody for events of processes that still run the edition before", async () => {
    const jobId = randomUUID();

    await db.query(
      "old-accept",
      `select * from accept_run('old', $1, $2, $3, '{}', '', 'hash', '{}', false, 'w', 30, true, 100, 100)`,
      [randomUUID(), randomUUID(), jobId],
    );

    expect(await ownerOf(jobId)).toBeNull();
  });
});
