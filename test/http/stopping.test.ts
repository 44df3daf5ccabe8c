import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { executeEvent, scripted } from "../support/agents.ts";
import { freshDatabase, type TestDatabase } from "../support/databases.ts";
import { get, postEvent } from "../support/post.ts";
import { RawConnection } from "../support/raw-http.ts";
import { startOn } from "../support/service.ts";
import { until } from "../support/wait.ts";
import { expectRefusal } from "./refusals.ts";

const text = JSON.stringify({ specversion: "1.0", ...executeEvent() });
const head = `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/cloudevents+json\r\nContent-Length: ${text.length}\r\n\r\n`;

describe("a door that is being closed", () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await freshDatabase();
  });
  afterEach(() => database[Symbol.asyncDispose]());
  const runs = () => database.sql("select status from agent_executor.runs");

  it("answers the events that it waits for, and sends new ones away for a while", async () => {
    const service = await startOn(database);
    const slow = executeEvent({ agent_definition: scripted({ content: "just in time", delay_ms: 600 }) });
    const waiting = postEvent(service.url, slow);
    await until(async () => (await runs()).length > 0, { what: "the run to start" });

    const closed = service.close();
    const late = await postEvent(service.url, executeEvent());
    const ready = await get(`${service.url}/ready`);
    const job = await get(`${service.url}/jobs/${slow.data["job_id"]}`);

    expectRefusal(late, "shutting_down");
    expect([ready.status, ready.json()]).toEqual([503, expect.objectContaining({ status: "not_ready" })]);
    expectRefusal(job, "shutting_down");
    expect((await waiting).json()).toMatchObject({ result: { output: "just in time" } });
    await closed;
    expect(await runs()).toEqual([{ status: "completed" }]);
  });

  it("gives answers of its own to what comes over open lines at the very end", async () => {
    const service = await startOn(database);
    using line = await RawConnection.open(service.url);
    await line.send(head, text.slice(0, 9));
    await get(`${service.url}/health`); // by now the other has been read, too
    const closed = service.close();
    const isShut = () =>
      get(`${service.url}/health`).then(
        () => false,
        () => true,
      );
    await until(isShut, { what: "new lines to be refused" });

    await line.send(text.slice(9), "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");

    expectRefusal(await line.read(), "shutting_down");
    expect((await line.read()).status).toBe(200);
    await closed;
    await line.closed();
    expect(await runs()).toEqual([]);
  });

  it("does not wait for those who neither send nor go, whatever they began", async () => {
    const service = await startOn(database, { BODY_TIMEOUT_SECONDS: "60" });
    const starts = [
      head,
      `${head}{`,
      "POST /health HTTP/1.1\r\nContent-Length: 9\r\nHost: x\r\n\r\n",
      "GET / HT",
      "",
    ];
    const lines = await Promise.all(
      starts.map(async (start) => {
        const line = await RawConnection.open(service.url);
        await line.send(start);
        return line;
      }),
    );
    await get(`${service.url}/health`); // by now the others have been read, too

    const startedAt = performance.now();
    await service.close();

    expect(performance.now() - startedAt).toBeLessThan(2500);
    await Promise.all(lines.map((line) => line.closed()));
    for (const line of lines) line.destroy();
  });
});
