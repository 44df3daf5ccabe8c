import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { echo, executeEvent } from "../support/agents.ts";
import { postEvent, send } from "../support/post.ts";
import { type Part, RawConnection, type RawResponse, sendRaw } from "../support/raw-http.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";
import { expectRefusal } from "./refusals.ts";
import { pour } from "./sender.ts";

const LIMIT = 65_536;
const STRUCTURED = "Host: x\r\nContent-Type: application/cloudevents+json\r\n";

/** The headers of a POST / that go before a structured event. */
const head = (...lines: string[]) =>
  `POST / HTTP/1.1\r\n${STRUCTURED}${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
const chunked = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const asText = (event = executeEvent()) => JSON.stringify({ specversion: "1.0", ...event });
/** An event whose JSON is of exactly so many bytes. */
const ofBytes = (bytes: number) => {
  const event = (input: string) => asText(executeEvent({ agent_definition: echo(), input }));
  return event("x".repeat(bytes - event("").length));
};

describe("the limits of a body", () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({ MAX_BODY_BYTES: String(LIMIT), BODY_TIMEOUT_SECONDS: "1" });
  });
  afterAll(() => service.close());
  const raw = (...parts: Part[]): Promise<RawResponse> => sendRaw(service.url, parts);
  const stored = async () => (await service.database.sql("select 1 from agent_executor.events")).length;

  it("refuses what says that it is too long at once, before any of it has come", async () => {
    const startedAt = performance.now();

    const answer = await raw(head(`Content-Length: ${LIMIT + 1}`));

    expectRefusal(answer, "body_too_large");
    expect(answer.headers["connection"]).toBe("close");
    expect(performance.now() - startedAt).toBeLessThan(500);
  });

  it("refuses what turns out to be too long while it still comes", async () => {
    const answer = await raw(head("Transfer-Encoding: chunked"), chunked("x".repeat(LIMIT)), chunked("x"));

    expectRefusal(answer, "body_too_large", "xxx");
    expect(answer.headers["connection"]).toBe("close");
  });

  it.each(["Content-Length", "chunks"])(
    "takes a body of exactly the limit, and not a byte more, by %s",
    async (by) => {
      const post = (text: string) =>
        by === "chunks"
          ? raw(
              head("Transfer-Encoding: chunked"),
              chunked(text.slice(0, 100)),
              chunked(text.slice(100)),
              "0\r\n\r\n",
            )
          : raw(head(`Content-Length: ${text.length}`), text);

      expect((await post(ofBytes(LIMIT))).status).toBe(200);
      expectRefusal(await post(ofBytes(LIMIT + 1)), "body_too_large");
    },
  );

  it.each(["plain", "chunked"] as const)(
    "lets a sender that writes 128 MB before it listens read the refusal: %s",
    async (mode) => {
      const bytes = 128 * 1024 * 1024;
      const length = mode === "plain" ? `Content-Length: ${bytes}` : "Transfer-Encoding: chunked";

      const poured = await pour(service.url, head(length), bytes, mode);

      expect(poured).toMatchObject({
        status: 413,
        error: undefined,
        sentBytes: bytes,
      });
      expect(JSON.parse(poured.body)).toMatchObject({ error: { code: "body_too_large" } });
      expect(poured.grownBytes).toBeLessThan(bytes / 2);
    },
  );

  it("gives up on a body that trickles, and on one that never comes", async () => {
    const trickling: Part[] = [
      head("Content-Length: 100"),
      "{",
      { pauseMs: 400 },
      " ",
      { pauseMs: 400 },
      " ",
    ];
    const startedAt = performance.now();

    const answers = await Promise.all([
      raw(...trickling),
      raw(head("Content-Length: 100")),
      raw(head("Transfer-Encoding: chunked")),
    ]);

    for (const answer of answers) {
      expectRefusal(answer, "slow_body");
      expect(answer.headers["connection"]).toBe("close");
    }
    expect(performance.now() - startedAt).toBeGreaterThan(990);
    expect(performance.now() - startedAt).toBeLessThan(2500);
  });

  it("closes the line of a refused sender that neither goes on nor goes away", async () => {
    const lines = await Promise.all(
      [head(`Content-Length: ${LIMIT + 1}`), head("Content-Length: 9"), "no HTTP\r\n\r\n"].map(
        async (text) => {
          const line = await RawConnection.open(service.url);
          await line.send(text);
          return line;
        },
      ),
    );

    const statuses = await Promise.all(lines.map(async (line) => (await line.read()).status));
    await Promise.all(lines.map((line) => line.closed()));

    expect(statuses).toEqual([413, 408, 400]);
    for (const line of lines) line.destroy();
  });

  it("stores nothing of a body that was broken off, or that ended too early", async () => {
    const before = await stored();
    const text = asText();
    const half = text.slice(0, text.length / 2);

    for (const lengthOf of [`Content-Length: ${text.length}`, "Transfer-Encoding: chunked"]) {
      const line = await RawConnection.open(service.url);
      await line.send(head(lengthOf), lengthOf.startsWith("T") ? chunked(half) : half);
      line.destroy();
    }
    using halfOpen = await RawConnection.open(service.url);
    await halfOpen.send(head(`Content-Length: ${text.length}`), half);
    halfOpen.halfClose();

    expectRefusal(await halfOpen.read(), "invalid_request");
    await halfOpen.closed();
    expect(await stored()).toBe(before);
  });

  it.each(["gzip", "deflate", "br", "GZIP", "identity, gzip", "x"])("does not read %s", async (encoding) => {
    const reply = await send("POST", service.url, asText(), {
      headers: { "content-type": "application/cloudevents+json", "content-encoding": encoding },
    });

    expectRefusal(reply, "unsupported_media_type");
  });

  it.each(["identity", "Identity", ""])("reads what is encoded as %j", async (encoding) => {
    expect(
      (await postEvent(service.url, executeEvent(), { headers: { "content-encoding": encoding } })).status,
    ).toBe(200);
  });

  it("asks a sender that waits for it to go on", async () => {
    const text = asText();
    using line = await RawConnection.open(service.url);

    await line.send(head(`Content-Length: ${text.length}`, "Expect: 100-continue"));
    await line.send(text);

    expect((await line.read()).status).toBe(200);
    expectRefusal(await raw(head(`Content-Length: ${LIMIT + 1}`, "Expect: 100-continue")), "body_too_large");
  });

  it("does not mind an expectation that it does not know", async () => {
    const text = asText();

    expect((await raw(head(`Content-Length: ${text.length}`, "Expect: the-best"), text)).status).toBe(200);
  });

  it("refuses headers of more than 16 KiB, also when a long body is on their heels", async () => {
    const long = `x-long: ${"x".repeat(20_000)}`;

    expectRefusal(await raw(head(long, "Content-Length: 0")), "headers_too_large", "xxx");
    const poured = await pour(service.url, head(long, "Content-Length: 1000000"), 1_000_000, "plain");
    expect(poured).toMatchObject({
      status: 431,
      error: undefined,
    });
    expect(JSON.parse(poured.body)).toMatchObject({ error: { code: "headers_too_large" } });
  });
});

describe("the requests in flight", () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService({
      MAX_IN_FLIGHT_REQUESTS: "2",
      MAX_BODY_BYTES: String(LIMIT),
      BODY_TIMEOUT_SECONDS: "1",
    });
  });
  afterAll(() => service.close());

  /** Two requests that hold their places until they are let go. */
  async function twoInFlight(): Promise<{ letGo(): Promise<number[]> }> {
    const held = [await RawConnection.open(service.url), await RawConnection.open(service.url)];
    const { length } = asText();
    for (const line of held) await line.send(head(`Content-Length: ${length}`), "{");
    const full = async () => (await send("POST", service.url, "")).status === 429;
    await until(full, { what: "both places to be taken", timeoutMs: 900 });
    return {
      letGo: async () => {
        for (const line of held) await line.send(asText().slice(1));
        const answers = await Promise.all(held.map((line) => line.read()));
        for (const line of held) line.destroy();
        return answers.map((answer) => answer.status);
      },
    };
  }

  it("are two at the most; a third is told when to come again, and gets its place later", async () => {
    const { letGo } = await twoInFlight();

    const third = await postEvent(service.url, executeEvent());
    const statuses = await letGo();

    expectRefusal(third, "too_many_requests");
    expect(statuses.sort()).toEqual([200, 200]);
    expect((await postEvent(service.url, executeEvent())).status).toBe(200);
  });

  it("give back their places however they end", async () => {
    const endings: (() => Promise<unknown>)[] = [
      () => send("POST", service.url, "{"),
      () => send("POST", service.url, asText(), { headers: { "content-encoding": "gzip" } }),
      () => sendRaw(service.url, [head(`Content-Length: ${LIMIT + 1}`)]),
      () => sendRaw(service.url, [head("Content-Length: 5")]),
      () => sendRaw(service.url, [head("Transfer-Encoding: chunked"), "zz\r\n"]),
      () => postEvent(service.url, { ...executeEvent(), type: "unknown" }),
      async () => {
        const line = await RawConnection.open(service.url);
        await line.send(head("Content-Length: 500"), "{");
        line.destroy();
      },
      async () => {
        const event = executeEvent({ agent_definition: { nodes: [slowNode] } });
        const gone = AbortSignal.timeout(100);
        await postEvent(service.url, event, { signal: gone }).catch(() => undefined);
      },
    ];

    for (const end of endings) await Promise.all([end(), end()]);

    const { letGo } = await twoInFlight();
    expect((await letGo()).sort()).toEqual([200, 200]);
  });

  it("are not counted on routes that must always answer", async () => {
    const { letGo } = await twoInFlight();

    const statuses = await Promise.all(
      ["/health", "/ready", "/metrics", "/jobs"].map(
        async (path) => (await send("GET", service.url + path, undefined)).status,
      ),
    );

    expect(statuses).toEqual([200, 200, 200, 200]);
    await letGo();
  });
});

const slowNode = {
  type: "agent",
  name: "main",
  model: { provider: "scripted", responses: [{ content: "late", delay_ms: 1500 }] },
};
