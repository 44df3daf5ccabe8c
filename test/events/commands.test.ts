import { describe, expect, it } from "vitest";
import { readCommand, readJobId } from "../../src/events/commands.ts";
import { binary, ENVELOPE, parseOne, refusalOf, structured } from "./requests.ts";

const PREFIX = "dev.my-platform.agent";
const RUN = "0190a8f0-0000-7000-8000-000000000001";

const command = (verb: string, data: unknown) =>
  readCommand(parseOne(structured({ ...ENVELOPE, type: `${PREFIX}.${verb}`, data })), PREFIX);

describe("the type of an event", () => {
  it("tells execute, resume and cancel apart", () => {
    expect(command("execute", { job_id: "a" })).toEqual({ kind: "execute", jobId: "a", request: {} });
    expect(command("cancel", { job_id: "a" })).toEqual({ kind: "cancel", jobId: "a" });
    expect(command("resume", { job_id: "a", resume: 1 })).toEqual({
      kind: "resume",
      jobId: "a",
      resume: { resume: 1 },
    });
  });

  it("may be a ping of Knative, whatever its data", () => {
    for (const data of [undefined, "text", { job_id: 5 }]) {
      const event = parseOne(structured({ ...ENVELOPE, type: "dev.knative.sources.ping", data }));
      expect(readCommand(event, PREFIX)).toEqual({ kind: "ping" });
    }
  });

  it.each(["completed", "failed", "interrupted", "cancelled"])(
    "may be our own %s, which came back in a loop",
    (verb) => {
      expect(command(verb, "anything")).toEqual({ kind: "own-result" });
    },
  );

  it.each(["execute.v2", "Execute", "", "run", "executed"])("is refused when it is prefix.%s", (verb) => {
    const refusal = refusalOf(() => command(verb, { job_id: "a" }));

    expect(refusal.code).toBe("unsupported_event_type");
    expect(refusal.kind.status).toBe(422);
    expect(refusal.message).toContain(`${PREFIX}.execute`);
  });

  it.each(["com.example.execute", "dev.my-platform.agentXexecute", "execute", PREFIX])(
    "is refused when it is %s",
    (type) => {
      const event = parseOne(structured({ ...ENVELOPE, type, data: { job_id: "a" } }));

      expect(refusalOf(() => readCommand(event, PREFIX)).code).toBe("unsupported_event_type");
    },
  );

  it("is looked at before the data: a wrong type is never a 400", () => {
    expect(refusalOf(() => command("unknown", undefined)).kind.status).toBe(422);
  });
});

describe("the data of a command", () => {
  it("is required", () => {
    const refusal = refusalOf(() =>
      readCommand(parseOne(binary({ "ce-type": `${PREFIX}.execute` })), PREFIX),
    );

    expect(refusal.code).toBe("invalid_event");
    expect(refusal.message).toContain("data is required");
  });

  it.each([[null], [[]], ["text"], [1], [true]])("must be an object, not %j", (data) => {
    expect(refusalOf(() => command("execute", data)).message).toContain("data must be a JSON object");
  });

  it("must be JSON by its content type, however it looks", () => {
    for (const contentType of [undefined, "text/plain", "application/x-www-form-urlencoded"]) {
      const event = parseOne(
        binary({ "ce-type": `${PREFIX}.execute`, "content-type": contentType }, '{"job_id":"a"}'),
      );
      const refusal = refusalOf(() => readCommand(event, PREFIX));
      expect(refusal.kind.status).toBe(400);
      expect(refusal.message).toContain("application/json");
    }
  });
});

describe("job ids", () => {
  it.each([
    ["job-1", "job-1"],
    ["  padded\t", "padded"],
    ["a b € 😀", "a b € 😀"],
    ["x".repeat(256), "x".repeat(256)],
    ["😀".repeat(256), "😀".repeat(256)],
    [` ${"x".repeat(256)} `, "x".repeat(256)],
  ])("are trimmed and kept: %j", (sent, meant) => {
    expect(readJobId(sent)).toBe(meant);
  });

  it.each([
    ["absent", undefined],
    ["null", null],
    ["a number", 5],
    ["a list", ["a"]],
    ["empty", ""],
    ["blank", " \t\n "],
    ["too long", "x".repeat(257)],
    ["too long in characters of two units", "😀".repeat(257)],
    ["far too long", "x".repeat(1_000_000)],
    ["with a NUL", "a\0b"],
    ["with a line break", "a\nb"],
    ["with DEL", "a\x7fb"],
    ["with a C1 control", "a\x9fb"],
    ["with half a surrogate pair", "a\ud800b"],
    ["with a noncharacter, which no subject may hold", "a\uFFFEb"],
  ])("are refused when they are %s", (_, jobId) => {
    for (const verb of ["execute", "resume", "cancel"]) {
      const refusal = refusalOf(() => command(verb, { job_id: jobId }));
      expect(refusal.code).toBe("invalid_event");
      expect(refusal.message).toContain("data.job_id");
      expect(refusal.path).toBe("/data/job_id");
    }
  });
});

describe("execute", () => {
  it("keeps what it knows as it came, wrong types too, and drops the rest", () => {
    const known = {
      agent_definition: "not even an object",
      agent: 5,
      input: null,
      input_payload: [],
      context: { a: 1 },
      limits: "none",
      trace_id: "trace",
    };

    expect(command("execute", { job_id: "a", ...known, other: 1, toString: 2 })).toEqual({
      kind: "execute",
      jobId: "a",
      request: known,
    });
  });

  it("takes null for a definition or an agent as none, and keeps null as an input", () => {
    const read = command("execute", {
      job_id: "a",
      agent_definition: null,
      agent: null,
      input: null,
      limits: null,
    });

    expect(read).toEqual({ kind: "execute", jobId: "a", request: { input: null, limits: null } });
  });

  it("drops a trace id that is no text", () => {
    expect(command("execute", { job_id: "a", trace_id: 5 })).toEqual({
      kind: "execute",
      jobId: "a",
      request: {},
    });
  });
});

describe("cancel", () => {
  it("may name a run and a reason", () => {
    expect(command("cancel", { job_id: "a", run_id: RUN.toUpperCase(), reason: "wrong input" })).toEqual({
      kind: "cancel",
      jobId: "a",
      runId: RUN,
      reason: "wrong input",
    });
    expect(command("cancel", { job_id: "a", run_id: null, reason: null })).toEqual({
      kind: "cancel",
      jobId: "a",
    });
  });

  it("does not fail over the text of a reason, but makes it fit to be stored", () => {
    const read = command("cancel", { job_id: "a", reason: `no\0\r\nmore \ud800${"x".repeat(5000)}` });

    expect(read).toHaveProperty("reason", expect.stringMatching(/^no more \uFFFDx{1011,1015}$/u));
  });

  it.each([5, "", "run-1", `${RUN}0`, {}])("is refused for the run id %j", (run_id) => {
    expect(refusalOf(() => command("cancel", { job_id: "a", run_id })).path).toBe("/data/run_id");
  });

  it("is refused for a reason that is no text", () => {
    expect(refusalOf(() => command("cancel", { job_id: "a", reason: {} })).path).toBe("/data/reason");
  });
});
