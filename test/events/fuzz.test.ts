import fc from "fast-check";
import { describe, it } from "vitest";
import { AgentError } from "../../src/errors/agent-error.ts";
import { readCommand } from "../../src/events/commands.ts";
import { parseHttpEvent } from "../../src/events/parse.ts";
import { names, texts, values } from "./nasty.ts";
import { batch, binary, ENVELOPE, type Request, structured } from "./requests.ts";

// Every run takes another seed; a failure prints it, and FUZZ_SEED replays it. The share of a test is in percent.
const TOTAL = Number(process.env["FUZZ_RUNS"] ?? 100_000);
const SEED = process.env["FUZZ_SEED"];
const runs = (percent: number) => ({
  numRuns: Math.ceil((TOTAL * percent) / 100),
  ...(SEED !== undefined && { seed: Number(SEED) }),
});

const PREFIX = "dev.my-platform.agent";
const EXECUTE = {
  ...ENVELOPE,
  type: `${PREFIX}.execute`,
  data: { job_id: "job-1", agent: "demo", input: "hi" },
};
const { data: _, ...ATTRIBUTES } = EXECUTE;

/** Throws if the door would answer with anything but an accepted event or a clean 4xx. */
function send(rawHeaders: readonly string[], body: Uint8Array): void {
  try {
    const parsed = parseHttpEvent(rawHeaders, body);
    for (const event of parsed.mode === "batch" ? parsed.events : [parsed.event]) {
      if (event.id === "" || event.source === "" || event.type === "")
        throw new Error("an empty attribute got in");
      const command = readCommand(event, PREFIX);
      if ("jobId" in command && !/^[^\p{Cc}\p{Cs}]{1,256}$/u.test(command.jobId))
        throw new Error("a bad job id got in");
    }
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    const { status } = error.kind;
    if (status < 400 || status > 499) throw new Error(`status ${status}`, { cause: error });
    if (!/^[\x20-\x7e]{1,699}$/.test(error.message))
      throw new Error("a message is dirty or long", { cause: error });
  }
}

const someText = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.constantFrom(...texts),
);
const headerLines = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.constantFrom(...names),
        fc.string({ maxLength: 12 }),
        fc.string({ maxLength: 6 }).map((name) => `ce-${name}`),
      ),
      fc.oneof(
        fc.constantFrom(...values),
        fc.string({ maxLength: 20 }),
        fc.string({ unit: "binary", maxLength: 6 }),
      ),
    ),
    { maxLength: 8 },
  )
  .map((lines) => lines.flat());
const someBytes = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  someText.map((text) => Buffer.from(text)),
);

describe("whatever is sent, the only thing thrown is a refusal of the 4xx kind", () => {
  it("for random headers and bytes", () => {
    fc.assert(
      fc.property(headerLines, someBytes, (headers, body) => send(headers, body)),
      runs(30),
    );
  });

  it("for random values of the headers of a binary event", () => {
    const value = fc.oneof(fc.constantFrom(...values), fc.string({ maxLength: 20 }));
    const name = fc.constantFrom(...names.map((each) => each.toLowerCase()));
    const body = fc.oneof(fc.constant(Buffer.from('{"job_id":"1"}')), someBytes);

    fc.assert(
      fc.property(fc.dictionary(name, value, { maxKeys: 3 }), body, (changed, bytes) => {
        send(binary({ "ce-type": EXECUTE.type, ...changed }).headers.flat(), bytes);
      }),
      runs(20),
    );
  });

  const valid: readonly Request[] = [
    structured(EXECUTE),
    structured({
      ...ATTRIBUTES,
      ext: 1,
      flag: true,
      datacontenttype: "application/json",
      data_base64: "eyJqb2JfaWQiOiIxIn0=",
    }),
    batch([EXECUTE, { ...EXECUTE, id: "2", type: `${PREFIX}.cancel` }]),
    binary(
      { "ce-type": `${PREFIX}.resume`, "ce-subject": "a%20b" },
      '{"job_id":"1","resume":[1,{"a":null}]}',
    ),
    binary({ "ce-type": "dev.knative.sources.ping", "content-type": undefined }),
  ];
  // Where (as a share of the length), how many bytes go, and what comes in their place.
  const edit = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(4), someBytes);
  const headerEdit = fc.tuple(
    fc.nat(20),
    fc.oneof(fc.constantFrom(...values, ...names), fc.string({ maxLength: 8 })),
  );

  it("for valid events with a few bytes and header lines changed", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...valid),
        fc.array(edit, { maxLength: 3 }),
        fc.array(headerEdit, { maxLength: 1 }),
        (request, edits, headerEdits) => {
          let body = Buffer.from(request.body ?? "");
          for (const [share, drop, bytes] of edits) {
            const at = Math.floor(share * body.length);
            body = Buffer.concat([body.subarray(0, at), bytes, body.subarray(at + drop)]);
          }
          const headers: string[] = [...request.headers.flat()];
          for (const [at, text] of headerEdits) headers[at % (headers.length + 1)] = text;
          send(headers, body);
        },
      ),
      runs(30),
    );
  });

  const anyJson = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(...texts),
    fc.constantFrom(null, 0, 1.5, 2 ** 40, false, {}, []),
  );
  const keys = fc.oneof(
    fc.constantFrom(
      ...Object.keys(EXECUTE),
      "time",
      "subject",
      "dataschema",
      "datacontenttype",
      "data_base64",
      "__proto__",
      "constructor",
      "ext",
    ),
    fc.stringMatching(/^[a-z0-9]{1,6}$/),
    fc.string({ maxLength: 6 }),
  );
  const members = fc.dictionary(
    fc.constantFrom(
      "job_id",
      "run_id",
      "reason",
      "agent",
      "agent_definition",
      "input",
      "trace_id",
      "decisions",
    ),
    anyJson,
    { maxKeys: 4 },
  );
  const commandData = members.map((data) => ({ job_id: "job-1", ...data }));
  const verb = fc.constantFrom("execute", "resume", "cancel", "completed", "other", "");
  // Mostly one change or none: with more of them hardly any event would get past its attributes.
  const changes = fc.oneof(
    fc.dictionary(keys, anyJson, { maxKeys: 1 }),
    fc.dictionary(keys, anyJson, { maxKeys: 3 }),
  );

  it("for JSON of the right shape with arbitrary values", () => {
    const envelope = fc
      .tuple(changes, fc.oneof(commandData, commandData, anyJson), verb)
      .map(([changed, data, word]) => ({ ...EXECUTE, type: `${PREFIX}.${word}`, data, ...changed }));
    const request = fc.oneof(
      { weight: 4, arbitrary: envelope.map((event) => structured(event)) },
      { weight: 2, arbitrary: fc.array(envelope, { maxLength: 3 }).map(batch) },
      anyJson.map((value) => structured(JSON.stringify(value))),
      anyJson.map((value) => batch(JSON.stringify(value))),
    );

    fc.assert(
      fc.property(request, ({ headers, body }) => send(headers.flat(), Buffer.from(body ?? ""))),
      runs(20),
    );
  });
});
