import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { echo, executeEvent, scripted } from "../support/agents.ts";
import { get, postEvent } from "../support/post.ts";
import { type Part, RawConnection, type RawResponse, sendRaw } from "../support/raw-http.ts";
import { startTestService, type TestService } from "../support/service.ts";
import { until } from "../support/wait.ts";
import { expectRefusal } from "./refusals.ts";

/** A whole request: a structured event, unless there are headers and a body of one's own. */
function request(event: unknown, version = "1.1"): string {
  const text = JSON.stringify({ specversion: "1.0", ...(event as object) });
  const lines = ["Host: x", "Content-Type: application/cloudevents+json", `Content-Length: ${text.length}`];
  return `POST / HTTP/${version}\r\n${lines.join("\r\n")}\r\n\r\n${text}`;
}

/** A binary event with these lines beside, or in place of, the usual ones. */
function binary(...lines: string[]): string {
  const { id, source, type, data } = executeEvent();
  const body = JSON.stringify(data);
  const given = new Set(lines.map((line) => line.split(":", 1)[0]?.toLowerCase()));
  const usual = {
    Host: "x",
    "Content-Type": "application/json",
    "Content-Length": String(body.length),
    "ce-specversion": "1.0",
    "ce-id": id,
    "ce-source": source,
    "ce-type": type,
  };
  const kept = Object.entries(usual).filter(([name]) => !given.has(name.toLowerCase()));
  const all = [...kept.map(([name, value]) => `${name}: ${value}`), ...lines];
  return `POST / HTTP/1.1\r\n${all.join("\r\n")}\r\n\r\n${body}`;
}

describe("what comes over a line", () => {
  let service: TestService;
  beforeAll(async () => {
    service = await startTestService();
  });
  afterAll(() => service.close());
  const raw = (...parts: Part[]): Promise<RawResponse> => sendRaw(service.url, parts);
  const statusOf = async (jobId: unknown) =>
    ((await get(`${service.url}/jobs/${jobId}`)).json() as { status?: string }).status;

  it("may be HTTP/1.0, and ends after one answer", async () => {
    using line = await RawConnection.open(service.url);

    await line.send(request(executeEvent({ agent_definition: echo(), input: "old" }), "1.0"));

    const answer = await line.read();
    expect(answer.status).toBe(200);
    expect(answer.headers["ce-type"]).toBe("dev.my-platform.agent.completed");
    expect(JSON.parse(answer.body)).toMatchObject({ result: { output: "old" } });
    await line.closed();
  });

  it("may be several requests at once, and is answered in their order", async () => {
    const slow = executeEvent({ agent_definition: scripted({ content: "first", delay_ms: 300 }) });
    const fast = executeEvent({ agent_definition: scripted("second") });
    using line = await RawConnection.open(service.url);

    await line.send(request(slow), request(fast), "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", request({}));

    const answers = [await line.read(), await line.read(), await line.read(), await line.read()];
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 400]);
    expect(answers.slice(0, 2).map((answer) => JSON.parse(answer.body).result.output)).toEqual([
      "first",
      "second",
    ]);
  });

  it("never gets the answer to nonsense in place of the answer to the event before it", async () => {
    const event = executeEvent({ agent_definition: scripted({ content: "late", delay_ms: 300 }) });
    using line = await RawConnection.open(service.url);

    await line.send(`${request(event)}no HTTP\r\n\r\n`);

    await expect(line.read()).rejects.toThrow(/ended before a full response \(in order\): ""/);
    const done = async () => (await statusOf(event.data["job_id"])) === "completed";
    await until(done, { what: "the event to be done all the same" });
  });

  it("goes on after a refusal", async () => {
    using line = await RawConnection.open(service.url);

    await line.send(binary("ce-type: unknown"), request(executeEvent()));

    expect([(await line.read()).status, (await line.read()).status]).toEqual([422, 200]);
  });

  it.each([
    ["both lengths", binary("Content-Length: 5", "Transfer-Encoding: chunked")],
    ["two lengths", binary("Content-Length: 5", "Content-Length: 6")],
    ["a negative length", binary("Content-Length: -5")],
    [
      "a chunk of no length",
      `${binary("Transfer-Encoding: chunked", "Content-Length:").split("\r\n\r\n")[0]}\r\n\r\nzz\r\n`,
    ],
    ["a bare LF in a header", binary("ce-a: b\nce-c: d")],
    ["NUL in a header", binary("ce-a: \0")],
    ["a space before the colon", binary("ce-a : b")],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["a path in raw UTF-8", "GET /jobs/\xe2\x82\xac HTTP/1.1\r\nHost: x\r\n\r\n"],
  ])("is refused and closed if it holds %s", async (_what, bytes) => {
    using line = await RawConnection.open(service.url);

    await line.send(bytes);

    const answer = await line.read();
    expectRefusal(answer, "invalid_request");
    expect(answer.headers["connection"]).toBe("close");
    line.halfClose();
    await line.closed();
  });

  it.each([
    ["ce-id", ["ce-id: one", "ce-id: two"]],
    ["ce-id in two cases", ["ce-id: one", "CE-ID: one"]],
    ["an extension", ["ce-own: one", "ce-own: two"]],
    ["Content-Type", ["Content-Type: application/json", "Content-Type: text/plain"]],
    ["Content-Type, alike", ["Content-Type: application/json", "content-type: application/json"]],
  ])("is no event if it says %s twice", async (_what, lines) => {
    expectRefusal(await raw(binary(...lines)), "invalid_event", "two");
  });

  it("takes a header of raw UTF-8 for the text that it is, and refuses one that is Latin-1", async () => {
    const job_id = randomUUID();
    const body = JSON.stringify({ job_id, agent_definition: echo(), input: "x" });
    const post = (id: Buffer) => {
      const text = binary("ce-id: #", `Content-Length: ${body.length}`).split("\r\n\r\n")[0] ?? "";
      const [before = "", after = ""] = text.split("#");
      return raw(before, id, after, "\r\n\r\n", body);
    };

    const answer = await post(Buffer.from("für-€-😀"));

    expect(answer.status).toBe(200);
    expect(decodeURIComponent(String(answer.headers["ce-causationid"]))).toBe("für-€-😀");
    expectRefusal(await post(Buffer.from("für", "latin1")), "invalid_event");
    expectRefusal(await post(Buffer.from([0xc0, 0xa0])), "invalid_event");
  });

  it("must say something", async () => {
    const empty = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n";

    expectRefusal(await raw(`${empty}\r\n`), "invalid_event");
    expectRefusal(await raw("POST / HTTP/1.1\r\nHost: x\r\n\r\n"), "invalid_event");
    expectRefusal(await raw(`${empty}Content-Type: application/cloudevents+json\r\n\r\n`), "invalid_event");
    expectRefusal(
      await raw(`${empty}Content-Type: application/cloudevents-batch+json\r\n\r\n`),
      "invalid_event",
    );
    const nothing = await raw(binary("Content-Length: 0").replace(/\{.*/, ""));
    expectRefusal(nothing, "invalid_event");
    expect(nothing.body).toContain("data is required");
  });

  it.each(["", ";;", "nonsense", "application/json; charset=latin1", "application/cloudevents+xml"])(
    "is refused as %j",
    async (type) => {
      expectRefusal(await raw(binary(`Content-Type: ${type}`)), "unsupported_media_type");
    },
  );

  it.each([
    "APPLICATION/JSON",
    "application/json;charset=UTF-8",
    'application/json ; charset="utf-8"',
    "application/x+json",
  ])("is read as %s", async (type) => {
    expect((await raw(binary(`Content-Type: ${type}`))).status).toBe(200);
  });

  it("is refused in few bytes even if the model's own words are many, and hard to quote", async () => {
    const event = executeEvent({
      agent_definition: scripted({ error: { status: 503, message: `${'"\\'.repeat(400)}\r\nnext line` } }),
    });

    const reply = await postEvent(service.url, event);

    expectRefusal(reply, "model_unavailable");
  });
});
