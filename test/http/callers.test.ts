import { describe, expect, it } from "vitest";
import type { Readiness } from "../../src/http/health.ts";
import { buildServer } from "../../src/http/server.ts";
import type { Door } from "../../src/runs/door.ts";
import { executeEvent } from "../support/agents.ts";
import { postEvent } from "../support/post.ts";
import { RawConnection } from "../support/raw-http.ts";
import { until } from "../support/wait.ts";
import { nothing } from "./nothing.ts";

describe("a caller that goes away", () => {
  it("is not waited for, even if it went before there was a door", async () => {
    let asked = false;
    let open: (door: Door) => void = () => undefined;
    const signals: AbortSignal[] = [];
    const door: Pick<Door, "submit"> = {
      submit: async (_submission, _waitFor, gone) => {
        signals.push(gone);
        return { kind: "delivered" };
      },
    };
    const app = await buildServer({
      ...nothing,
      door: () => {
        asked = true;
        return new Promise((done) => {
          open = done;
        });
      },
    });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    const caller = new AbortController();
    const call = postEvent(url, executeEvent(), { signal: caller.signal }).catch(() => "gone");
    await until(() => asked, { what: "the event to wait for the door" });

    caller.abort();
    expect(await call).toBe("gone");
    const connections = () =>
      new Promise<number>((done) => app.server.getConnections((_, count) => done(count)));
    await until(async () => (await connections()) === 0, { what: "the line to be closed here, too" });
    open(door as Door);

    await until(() => signals.length > 0, { what: "the event to be handed over all the same" });
    expect(signals[0]?.aborted).toBe(true);
    await app.close();
  });
});

describe("a caller that goes on sending what nobody reads", () => {
  it("is cut once the time for headers and body is over, and not while it waits for an answer", async () => {
    let answer = () => {};
    const readiness = () =>
      new Promise<Readiness>((done) => {
        answer = () => done({ ready: true, services: {}, embedded: [] });
      });
    const app = await buildServer({ ...nothing, readiness });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    expect(app.server.requestTimeout).toBe(25_000);
    Object.assign(app.server, { requestTimeout: 200, headersTimeout: 100 }); // Node looks every 5 s
    using unread = await RawConnection.open(url);
    await unread.send("POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", "x");
    using waiting = await RawConnection.open(url);
    await waiting.send("GET /ready HTTP/1.1\r\nHost: x\r\n\r\n");

    expect((await unread.read()).status).toBe(404);
    await unread.closed();
    answer();

    expect((await waiting.read()).status).toBe(200);
    await app.close();
  });
});
