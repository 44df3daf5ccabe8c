import { describe, expect, it } from "vitest";
import { AgentError } from "../../src/errors/agent-error.ts";
import { claimRuns } from "../../src/runs/claim.ts";
import { type AcceptInput, acceptRun, DefinitionNotStored } from "../../src/runs/repository.ts";
import { ports } from "../support/ports.ts";
import { anEvent } from "../support/runs.ts";
import { sharedDatabase } from "../support/shared.ts";

const limits = { worker: "w", leaseSeconds: 30, maxQueued: 1000, maxQueuedOfJob: 100 };

describe.each(ports)("accepting events on $name", ({ open }) => {
  const db = sharedDatabase(open);
  const accept = (over: Partial<AcceptInput> = {}) => acceptRun(db, anEvent(over), limits);

  it("loses and doubles none of 200 events on 10 jobs over 32 connections", async () => {
    const events = Array.from({ length: 200 }, (_, i) => anEvent({ jobId: `storm-${i % 10}` }));

    const accepted = await Promise.all(events.map((event) => acceptRun(db, event, limits)));

    expect(accepted.every((run) => run.isNew)).toBe(true);
    expect(accepted.filter((run) => run.status === "running")).toHaveLength(10);
    for (let job = 0; job < 10; job++) {
      const seqs = accepted.filter((run) => run.jobId === `storm-${job}`).map((run) => run.seq);
      expect(seqs.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    }
    const [row] = await db.query(
      "count-storm",
      "select count(*)::int as n from runs where job_id like 'storm-%'",
    );
    expect(row?.["n"]).toBe(200);
  });

  it("makes one run of 50 copies that arrive at once", async () => {
    const copies = Array.from({ length: 50 }, () => anEvent({ eventId: "copied", jobId: "copies" }));

    const accepted = await Promise.all(copies.map((copy) => acceptRun(db, copy, limits)));

    expect(accepted.filter((run) => run.isNew)).toHaveLength(1);
    expect(new Set(accepted.map((run) => run.runId)).size).toBe(1);
    expect(await db.query("copies", "select 1 as n from runs where job_id = 'copies'")).toHaveLength(1);
  });

  it("gives a copy the run as it stands and changes nothing, whatever else the copy says", async () => {
    const first = await accept({ eventId: "same", jobId: "mine" });

    const again = await accept({ eventId: "same", jobId: "someone-elses" });

    expect(again).toMatchObject({ isNew: false, runId: first.runId, jobId: "mine", status: "running" });
    expect(await db.query("elses", "select 1 from jobs where job_id = 'someone-elses'")).toEqual([]);
  });

  it("takes the same id from another source as another event", async () => {
    const one = await accept({ source: "a", eventId: "shared-id" });
    const two = await accept({ source: "b", eventId: "shared-id" });

    expect(one.isNew && two.isNew).toBe(true);
  });

  it("queues the second event of a busy job behind the first", async () => {
    const first = await accept({ jobId: "busy" });
    const second = await accept({ jobId: "busy" });

    expect(first).toMatchObject({ status: "running", seq: 1, attempt: 1 });
    expect(second).toMatchObject({ status: "queued", seq: 2, attempt: 0 });
    expect(await claimRuns(db, "w", 30, 100, true)).not.toContainEqual(
      expect.objectContaining({ jobId: "busy" }),
    );
  });

  it("queues a run when this process has no place for it", async () => {
    expect(await accept({ mayStart: false })).toMatchObject({ status: "queued", attempt: 0 });
  });

  it("remembers the definition for later events, and takes another one from that turn on", async () => {
    await accept({ jobId: "turns", definitionHash: "one" });

    const second = await accept({ jobId: "turns", definitionHash: null, definition: null });
    const third = await accept({ jobId: "turns", definitionHash: "two" });
    const fourth = await accept({ jobId: "turns", definitionHash: null, definition: null });

    expect([second, third, fourth].map((run) => run.definitionHash)).toEqual(["one", "two", "two"]);
  });

  it("refuses a job's first event without a definition, and keeps nothing of it", async () => {
    const event = { eventId: "bare", jobId: "bare", definitionHash: null, definition: null };

    const refused = await accept(event).catch((error) => error);

    expect(refused).toBeInstanceOf(AgentError);
    expect(refused).toMatchObject({ code: "invalid_event", path: "/data/agent_definition" });
    expect(await accept({ ...event, definitionHash: "hash" })).toMatchObject({ isNew: true, seq: 1 });
  });

  it("asks for the body of a definition that is not stored, and keeps nothing of the try", async () => {
    const event = { eventId: "unknown-hash", definitionHash: "never seen", definition: null };

    await expect(accept(event)).rejects.toBeInstanceOf(DefinitionNotStored);
    expect(await accept({ ...event, definition: "{}" })).toMatchObject({ isNew: true });
  });

  it("refuses with 429 when the queue of the job is full, and keeps nothing of the event", async () => {
    const narrow = { ...limits, maxQueuedOfJob: 2 };
    for (let i = 0; i < 3; i++) await acceptRun(db, anEvent({ jobId: "full" }), narrow);

    const late = anEvent({ jobId: "full" });
    const refused = await acceptRun(db, late, narrow).catch((error) => error);

    expect(refused).toMatchObject({ code: "too_many_requests", retryAfterSeconds: 5 });
    expect(await acceptRun(db, late, limits)).toMatchObject({ isNew: true, seq: 4 });
  });

  it("stores what jsonb would refuse: NUL and lone surrogates in the input", async () => {
    const input = "nul \u0000 and half a pair \ud800";

    const { runId } = await accept({ jobId: "odd", request: { input } });

    const [row] = await db.query<{ request: string }>("odd", "select request from runs where run_id = $1", [
      runId,
    ]);
    expect(JSON.parse(row?.request ?? "")).toEqual({ input });
  });

  it("never lets two runs of a job be alive, even by hand", async () => {
    const { runId } = await accept({ jobId: "walled" });
    await accept({ jobId: "walled" });

    const forced = db.query(
      "force",
      "update runs set status = 'waiting' where job_id = 'walled' and run_id <> $1",
      [runId],
    );

    await expect(forced).rejects.toMatchObject({ code: "23505" });
  });
});
