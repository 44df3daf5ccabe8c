import { randomUUID } from "node:crypto";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { executeEvent, scripted } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { postEvent } from "../support/post.ts";
import { spawnService } from "../support/process.ts";
import { startSink } from "../support/sink.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

/** The built service's own words. */
describe("the log of a process", () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await freshDatabase({ mayLeak: true });
  });
  afterEach(() => database[Symbol.asyncDispose]());

  it("has one line each at accept, start, settle and delivery, joined by job and trace, and no payload", async () => {
    await using sink = await startSink();
    const service = await spawnService({ DATABASE_URL: database.url, K_SINK: sink.url });
    await service.waitForHealth();
    const job_id = randomUUID();
    const event = executeEvent({ job_id, agent_definition: scripted("the answer 42"), input: "open sesame" });

    await postEvent(service.url, { ...event, traceparent: `00-${TRACE}-b7ad6b7169203331-01` });
    await service.waitForLog(({ message }) => message === "result posted");

    const lines = service.logs.filter((line) => line["job_id"] === job_id);
    const keys = (line: Record<string, unknown>) => [line["component"], line["message"]];
    expect(lines.map(keys).toSorted()).toEqual(
      [
        ["door", "event accepted"],
        ["runs", "run started"],
        ["runs", "run settled"],
        ["delivery", "result posted"],
      ].toSorted(),
    );
    for (const line of lines) {
      expect(line).toMatchObject({ level: "info", trace_id: TRACE });
      expect(new Date(String(line["timestamp"])).toISOString()).toBe(line["timestamp"]);
      if (line["message"] !== "run started") expect(line["duration_ms"]).toBeTypeOf("number");
    }
    const all = service.stdout.join("\n");
    expect(all).not.toContain("sesame");
    expect(all).not.toContain("the answer 42");
  });

  it("says more after SIGUSR2, until the next one, without a restart", async () => {
    const service = await spawnService({ DATABASE_URL: database.url, LOG_LEVEL: "warn" });
    await service.waitForHealth();
    await postEvent(service.url, executeEvent());
    expect(service.logs.filter(({ level }) => level === "info")).toEqual([]);

    process.kill(service.pid, "SIGUSR2");
    await service.waitForLog(({ message }) => message === "log level is now debug");
    await postEvent(service.url, executeEvent());
    await service.waitForLog(({ message }) => message === "run settled");
    process.kill(service.pid, "SIGUSR2");
    await service.waitForLog(({ message }) => message === "log level is now warn");

    const before = service.logs.length;
    await postEvent(service.url, executeEvent());
    expect(service.logs).toHaveLength(before);
  });
});
