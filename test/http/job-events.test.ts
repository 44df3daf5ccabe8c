import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { buildServer } from "../../src/http/server.ts";
import type { ReaderFrame } from "../../src/runs/follow.ts";
import { readStream } from "../support/sse.ts";
import { until } from "../support/wait.ts";
import { nothing } from "./nothing.ts";

const FRAME: ReaderFrame = { id: "1-0", type: "gap", text: JSON.stringify({ x: "x".repeat(16_000) }) };

describe("GET /jobs/{job_id}/events", () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });
  const start = async (followJob: typeof nothing.followJob, readerPatienceMs = 300) => {
    const app = await buildServer({ ...nothing, followJob, readerPatienceMs });
    closing.push(() => app.close());
    return await app.listen({ port: 0, host: "127.0.0.1" });
  };

  it("cuts a reader who takes nothing, and has held little for it until then", async () => {
    let made = 0;
    let isLeft = false;
    const url = await start(async () =>
      (async function* () {
        try {
          for (;;) {
            made++;
            yield [{ ...FRAME }];
          }
        } finally {
          isLeft = true;
        }
      })(),
    );
    const { port } = new URL(url);
    const socket = connect(Number(port), "127.0.0.1");
    await once(socket, "connect");
    socket.on("error", () => undefined).write("GET /jobs/j/events HTTP/1.1\r\nhost: x\r\n\r\n");
    socket.pause();
    closing.push(async () => socket.destroy());

    await until(() => isLeft, { what: "the reader to be cut", timeoutMs: 10_000 });

    // The rest is in the kernel's buffers, which hold a few MB on loopback; nothing is made beyond them.
    expect(made * 16_000).toBeLessThan(16 * 1024 * 1024);
    const after = made;
    await new Promise((resolve) => setImmediate(resolve));
    expect(made).toBe(after);
  });

  it("leaves the stream when its reader goes, and ends it when the server stops", async () => {
    const left: string[] = [];
    const url = await start(async (jobId, _after, signal) =>
      (async function* () {
        yield [FRAME];
        if (!signal.aborted) await once(signal, "abort");
        left.push(jobId);
      })(),
    );
    const goes = readStream(`${url}/jobs/goes/events`, { onEvent: () => goes.cut() });
    await goes.ended;
    await until(() => left.includes("goes"), { what: "the stream to be left" });
    const stays = readStream(`${url}/jobs/stays/events`);
    await until(() => stays.events.length === 1, { what: "the first frame" });

    for (const close of closing.splice(0)) await close();

    await stays.ended;
    expect(left).toEqual(["goes", "stays"]);
  });
});
