import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import { freshDatabase } from "./support/databases.ts";
import { keepAlive, postEvent } from "./support/post.ts";
import { runCommand, spawnService } from "./support/process.ts";
import { RawConnection, sendRaw } from "./support/raw-http.ts";
import { startSink } from "./support/sink.ts";
import { freePort, until } from "./support/wait.ts";

const anEvent = { id: "1", source: "/test", type: "dev.test", subject: "Euro €😀 %", data: { n: 1 } };

describe("a fresh database", () => {
  it("shares nothing with another", async () => {
    await using one = await freshDatabase();
    await using other = await freshDatabase();
    await one.sql("create table things (n int)");
    expect(await other.sql("select to_regclass('things') as things")).toEqual([{ things: null }]);
  });

  it("is made for many at the same time", async () => {
    const databases = await Promise.all(Array.from({ length: 5 }, () => freshDatabase()));
    const names = await Promise.all(databases.map((one) => one.sql("select current_database() as name")));
    expect(names.map(([row]) => row?.["name"])).toEqual(databases.map((one) => one.database));
    await Promise.all(databases.map((one) => one[Symbol.asyncDispose]()));
  });

  it("says which connections were left open, and goes all the same", async () => {
    const database = await freshDatabase();
    const forgotten = new pg.Client({ connectionString: database.url, application_name: "forgetful" });
    forgotten.on("error", () => undefined);
    await forgotten.connect();
    await forgotten.query("select 'the last words'");
    const dispose = database[Symbol.asyncDispose]();
    await expect(dispose).rejects.toThrow(
      /1 connections .* left open:\n\d+ forgetful idle: select 'the last words'/,
    );
    await expect(database.sql("select 1")).rejects.toThrow("does not exist");
  });
});

describe("the sink", () => {
  it.each(["binary", "structured"] as const)(
    "records an event in %s mode and finds nothing to object to",
    async (mode) => {
      await using sink = await startSink();
      const reply = await postEvent(sink.url, anEvent, { mode, agent: keepAlive });
      const { event } = await sink.waitFor((one) => one.event?.id === "1");
      expect(reply).toMatchObject({ status: 202, text: "" });
      expect(event).toMatchObject({ ...anEvent, specversion: "1.0" });
      expect(sink.accepted()).toEqual([event]);
      expect(sink.problems).toEqual([]);
    },
  );

  it.each<[string, string, string]>([
    ["a missing attribute", "ce-id: 1\r\nce-source: /a\r\nce-specversion: 1.0", "type is missing"],
    [
      "bytes that are not ASCII",
      "ce-subject: \xe2\x82\xac",
      "ce-subject holds bytes that must be percent-encoded",
    ],
    ["a space", "ce-subject: a b", "ce-subject holds bytes that must be percent-encoded"],
    ["lower-case hex", "ce-subject: %e2%82%ac", "ce-subject holds a % without two upper-case hex digits"],
    ["broken UTF-8", "ce-subject: %FF", "ce-subject is not percent-encoded UTF-8"],
    ["a doubled attribute", "ce-id: 1\r\nce-id: 2", "ce-id is there 2 times"],
    ["a second place for the content type", "ce-datacontenttype: a/b", "ce-datacontenttype is there"],
    ["a time of its own kind", "ce-time: yesterday", 'time is "yesterday", not RFC 3339'],
    ["a body that is not what it says", "content-type: application/json", "the body is not JSON"],
    ["a body without a type", "", "there is a body and no content-type"],
    ["a batch", "content-type: application/cloudevents-batch+json", "neither binary nor structured"],
  ])("objects to %s", async (_what, headers, problem) => {
    await using sink = await startSink();
    const head = [
      "POST / HTTP/1.1",
      "host: sink",
      "content-length: 1",
      ...(headers ? [headers] : []),
      "",
      "",
    ];
    await sendRaw(sink.url, [head.join("\r\n"), "{"]);
    expect(sink.problems.join("\n")).toContain(problem);
  });

  it("answers as it is told, and comes back on the same port", async () => {
    const sink = await startSink();
    sink.behave((_received, nth) => (nth === 1 ? { status: 503, headers: { "retry-after": "1" } } : "ok"));
    const first = await postEvent(sink.url, anEvent);
    const second = await postEvent(sink.url, anEvent);
    sink.behave("drop");
    await expect(postEvent(sink.url, anEvent)).rejects.toThrow("socket hang up");
    sink.behave("hang");
    const silent = postEvent(sink.url, anEvent, { timeoutMs: 50 });
    await expect(silent).rejects.toThrow("was silent for 50 ms");
    expect([first.status, first.headers["retry-after"], second.status]).toEqual([503, "1", 202]);
    expect(sink.received.map(({ answer }) => answer)).toEqual([503, 202, "drop", "hang"]);
    expect(sink.accepted()).toHaveLength(1);

    await sink.close();
    await expect(postEvent(sink.url, anEvent)).rejects.toThrow("ECONNREFUSED");
    await using back = await startSink({ port: sink.port });
    expect(await postEvent(sink.url, anEvent)).toMatchObject({ status: 202 });
    expect(back.received).toHaveLength(1);
  });

  it("tells what it got instead of what was waited for", async () => {
    await using sink = await startSink();
    await postEvent(sink.url, anEvent);
    const wait = sink.waitFor((one) => one.event?.type === "other", 20);
    await expect(wait).rejects.toThrow("waited 20 ms for an event at the sink; it got dev.test (202)");
  });
});

describe("waiting", () => {
  it("gives the first answer that is truthy", async () => {
    let asked = 0;
    const answer = await until(() => ++asked === 3 && "third", { what: "the third" });
    expect(answer).toBe("third");
  });

  it.each<[string, () => unknown, string]>([
    ["the last answer", () => 0, "waited 30 ms for a sign; the last answer was 0"],
    [
      "the last failure",
      () => Promise.reject(new Error("oops")),
      "for a sign; the last try failed with oops",
    ],
    ["silence", () => new Promise(() => undefined), "for a sign; nothing was answered in that time"],
  ])("fails with its sentence and %s", async (_what, condition, sentence) => {
    await expect(until(condition, { what: "a sign", timeoutMs: 30 })).rejects.toThrow(sentence);
  });

  it("never gives a port twice", async () => {
    const ports = await Promise.all(Array.from({ length: 50 }, freePort));
    expect(new Set(ports).size).toBe(50);
  });
});

describe("a raw connection", () => {
  it("sends bytes in pieces and reads answer after answer", async () => {
    await using sink = await startSink();
    sink.behave((_received, nth) => ({
      status: 200,
      body: `answer ${nth}`,
      headers: nth === 2 ? { "content-length": "8" } : {},
    }));
    using connection = await RawConnection.open(sink.url);
    await connection.send(
      "POST / HTTP/1.1\r\nho",
      { pauseMs: 10 },
      "st: a\r\ncontent-length: 2\r\n\r\n{",
      "}",
    );
    const first = await connection.read();
    await connection.send("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    const second = await connection.read();
    await connection.closed();
    expect([first.body, second.body]).toEqual(["answer 1", "answer 2"]);
    expect([first.headers["transfer-encoding"], second.headers["content-length"]]).toEqual(["chunked", "8"]);
  });
});

describe("a spawned service", () => {
  /** A program that does what a service does, told by its environment. */
  async function spawnFixture(script: string, env: Record<string, string> = {}) {
    const folder = mkdtempSync(join(tmpdir(), "agent-executor-fixture-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const entry = join(folder, "main.mjs");
    writeFileSync(entry, script);
    return spawnService(env, { entry });
  }
  const healthy = `
    import { createServer } from "node:http";
    const say = (line) => console.log(JSON.stringify(line));
    createServer((_q, r) => r.end("ok")).listen(process.env.PORT, "127.0.0.1", () => say({ msg: "listening" }));
    console.log("plain text");
    console.error("a warning");
    process.once("SIGTERM", () => { say({ msg: "bye", env: Object.keys(process.env).sort() }); process.exit(0); });`;

  it("is reached, heard and ended in order, and knows nothing of our environment", async () => {
    const service = await spawnFixture(healthy, { LOG: "x" });
    await service.waitForHealth();
    const listening = await service.waitForLog(({ msg }) => msg === "listening");
    const exit = await service.kill();
    expect(listening).toEqual({ msg: "listening" });
    expect(exit).toEqual({ code: 0, signal: null });
    expect(service.logs.at(-1)).toEqual({ msg: "bye", env: ["HOME", "LOG", "PATH", "PORT"] });
    expect([service.stdout[0], service.stderr[0]]).toEqual(["plain text", "a warning"]);
  });

  it("that ends at once fails the wait with its last words", async () => {
    const service = await spawnFixture(`console.error("no DATABASE_URL"); process.exit(3)`);
    await expect(service.waitForHealth()).rejects.toThrow(/ended .*3.* before \/health.*\n.*no DATABASE_URL/);
  });
});

describe("a command", () => {
  it("tells how it ended and what it said", async () => {
    const script = "process.stdin.pipe(process.stdout); console.error('careful'); process.exitCode = 3";
    const result = await runCommand("node", ["-e", script], { input: "hello" });
    expect(result).toEqual({ code: 3, signal: null, stdout: "hello", stderr: "careful\n" });
  });

  it("is killed when it takes too long, and a missing one is a result too", async () => {
    const slow = await runCommand("sh", ["-c", "sleep 60 & sleep 60"], { timeoutMs: 50 });
    const missing = await runCommand("no-such-program", []);
    expect(slow).toMatchObject({ code: null, signal: "SIGKILL" });
    expect(missing).toMatchObject({ code: null, stderr: "spawn no-such-program ENOENT" });
  });
});
