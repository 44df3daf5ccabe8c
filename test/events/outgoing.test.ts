import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  encodeBinary,
  encodeStructured,
  type OutcomeOptions,
  outcomeEvent,
  outcomeEventId,
} from "../../src/events/outgoing.ts";
import { attributesOf, parseOne, type Request, structured } from "./requests.ts";

const COMPLETED: OutcomeOptions = {
  prefix: "dev.my-platform.agent",
  source: "agent-executor-service",
  runId: "0190a8f0-0000-7000-8000-000000000001",
  jobId: "job-1",
  kind: "completed",
  data: { job_id: "job-1", result: { output: "done", status: "completed" } },
  time: new Date("2030-01-31T12:00:00.123Z"),
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  causationId: "event-1",
};

/** What a sink receives: Node hands header values over as latin1, so anything else would not arrive. */
function received({ headers, body }: ReturnType<typeof encodeBinary>): Request {
  return { headers: Object.entries(headers), body };
}

describe("the event of an outcome", () => {
  it("says all that the contract lists, in a fixed order", () => {
    const event = outcomeEvent({ ...COMPLETED, overrides: new Map([["team", "blue"]]) });

    expect(encodeStructured(event)).toBe(
      '{"specversion":"1.0","id":"' +
        `${event.id}","source":"agent-executor-service","type":"dev.my-platform.agent.completed",` +
        '"subject":"job-1","time":"2030-01-31T12:00:00.123Z","datacontenttype":"application/json",' +
        '"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","causationid":"event-1",' +
        '"team":"blue","data":{"job_id":"job-1","result":{"output":"done","status":"completed"}}}',
    );
  });

  it("has the same id whenever it is made, and another for another run or outcome", () => {
    const ids = [
      outcomeEvent(COMPLETED).id,
      outcomeEvent({ ...COMPLETED, kind: "failed" }).id,
      outcomeEvent({ ...COMPLETED, kind: "cancelled" }).id,
      outcomeEvent({ ...COMPLETED, runId: "0190a8f0-0000-7000-8000-000000000002" }).id,
    ];

    expect(new Set(ids).size).toBe(4);
    expect(outcomeEvent({ ...COMPLETED, time: new Date(0), data: {} }).id).toBe(ids[0]);
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5/);
    expect(outcomeEventId("run", "failed")).toBe("5d6d4f7d-eff8-5a6f-a566-aaf78f8fe850");
  });

  it("has an id for each wait, but one for each final outcome", () => {
    const waits = [1, 2, 3].map((waitNo) => outcomeEvent({ ...COMPLETED, kind: "interrupted", waitNo }).id);

    expect(new Set(waits).size).toBe(3);
    expect(outcomeEvent({ ...COMPLETED, waitNo: 2 }).id).toBe(outcomeEvent(COMPLETED).id);
    expect(outcomeEventId(COMPLETED.runId, "interrupted", 2)).toBe(waits[1]);
  });

  it("lets overrides win over extensions of ours, at their place", () => {
    const event = outcomeEvent({ ...COMPLETED, overrides: new Map([["causationid", "x"]]) });

    expect(event.causationid).toBe("x");
    expect(Object.keys(event).at(-2)).toBe("causationid");
  });

  it("leaves traceparent out when there is none", () => {
    const { traceparent: _, ...without } = COMPLETED;

    expect(outcomeEvent(without)).not.toHaveProperty("traceparent");
  });

  it("is a copy: what happens to the data later does not reach it", () => {
    const data = { list: [1] };
    const event = outcomeEvent({ ...COMPLETED, data });

    data.list.push(2);

    expect(event.data).toEqual({ list: [1] });
  });
});

describe("data that is no JSON", () => {
  const dataOf = (value: unknown) => outcomeEvent({ ...COMPLETED, data: { value } }).data;

  it("becomes JSON instead of keeping the run from settling", () => {
    const cycle: Record<string, unknown> = { name: "a" };
    cycle["self"] = [cycle];
    const angry = {
      get value(): never {
        throw new Error("no");
      },
    };

    expect(
      dataOf([cycle, 10n ** 20n, Number.NaN, () => 1, undefined, new Date(0), { no: undefined }]),
    ).toEqual({
      value: [
        { name: "a", self: ["[circular]"] },
        "100000000000000000000",
        null,
        null,
        null,
        "1970-01-01T00:00:00.000Z",
        {},
      ],
    });
    expect(dataOf([true, "text", null, angry])).toEqual({ value: [true, "text", null, "[unreadable]"] });
  });

  it("is cut where it nests so deep that JSON.stringify would overflow", () => {
    let deep: unknown = "end";
    for (let i = 0; i < 20_000; i++) deep = [deep];

    const text = encodeStructured(outcomeEvent({ ...COMPLETED, data: { deep } }));

    expect(text).toContain("[too deep]");
    expect(() => JSON.parse(text)).not.toThrow();
  });

  it("loses half surrogate pairs, and nothing that only looks like one", () => {
    const event = outcomeEvent({ ...COMPLETED, data: { text: "a\ud800b \\ud800 😀 \\\udfff" } });

    expect(event.data).toEqual({ text: "a\uFFFDb \\ud800 😀 \\\uFFFD" });
    expect(encodeBinary(event).body).toBe('{"text":"a�b \\\\ud800 😀 \\\\�"}');
  });
});

describe("binary encoding", () => {
  it.each([
    ["Euro € 😀", "Euro%20%E2%82%AC%20%F0%9F%98%80"],
    ['100% "sure"', "100%25%20%22sure%22"],
    ["a\r\nX-Evil: 1", "a%0D%0AX-Evil:%201"],
    ["\0\x7f", "%00%7F"],
    ["half \ud800 pair", "half%20%EF%BF%BD%20pair"],
    ["!#$&'()*+,-./:;<=>?@[\\]^_`{|}~", "!#$&'()*+,-./:;<=>?@[\\]^_`{|}~"],
  ])("percent-encodes %j", (jobId, encoded) => {
    expect(encodeBinary(outcomeEvent({ ...COMPLETED, jobId })).headers["ce-subject"]).toBe(encoded);
  });

  it("makes strings of all values, leaves out what is no attribute, and sends the data as the body", () => {
    const event = {
      ...outcomeEvent(COMPLETED),
      flag: false,
      number: 3,
      object: {},
      none: null,
      "bad\r\nname": "x",
    };

    const { headers, body } = encodeBinary(event);

    expect(headers).toEqual({
      "content-type": "application/json",
      "ce-specversion": "1.0",
      "ce-id": event.id,
      "ce-source": "agent-executor-service",
      "ce-type": "dev.my-platform.agent.completed",
      "ce-subject": "job-1",
      "ce-time": "2030-01-31T12:00:00.123Z",
      "ce-traceparent": COMPLETED.traceparent,
      "ce-causationid": "event-1",
      "ce-flag": "false",
      "ce-number": "3",
    });
    expect(body).toBe('{"job_id":"job-1","result":{"output":"done","status":"completed"}}');
  });

  it("sends null where a stored event has no data", () => {
    const { data: _, ...without } = outcomeEvent(COMPLETED);

    expect(encodeBinary(without).body).toBe("null");
  });
});

describe("round trips", () => {
  // Any text: also controls and half pairs, which only the encoder may meet.
  const anyText = fc.string({
    unit: fc.oneof(
      fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
      fc.constantFrom("\ud800", "\udfff", "\r", "\n", "\0", "%", '"', "€"),
    ),
  });
  const plainText = fc
    .string({ unit: "grapheme", minLength: 1 })
    .filter((text) => !/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(text));
  const name = fc.stringMatching(/^x[a-z0-9]{1,10}$/);
  const overrides = fc.array(fc.tuple(name, plainText)).map((pairs) => new Map(pairs));
  const data = fc
    .dictionary(fc.string({ unit: "binary" }), fc.jsonValue())
    .filter((value) => !/__proto__|constructor/.test(JSON.stringify(value)));

  it("give back the same attributes and data, in both modes, from stored bytes too", () => {
    fc.assert(
      fc.property(plainText, plainText, overrides, data, (jobId, causationId, extensions, value) => {
        const event = outcomeEvent({ ...COMPLETED, jobId, causationId, overrides: extensions, data: value });
        const { data: sent, ...attributes } = event;
        const stored = encodeStructured(event);

        for (const request of [
          received(encodeBinary(event)),
          structured(stored),
          received(encodeBinary(JSON.parse(stored))),
        ]) {
          const read = parseOne(request);
          expect(attributesOf(read)).toEqual(attributes);
          expect(read.data).toEqual({ kind: "json", value: sent });
        }
        expect(encodeStructured(JSON.parse(stored))).toBe(stored);
        expect(encodeBinary(JSON.parse(stored))).toEqual(encodeBinary(event));
      }),
      { numRuns: 500 },
    );
  });

  it("never throw and never let anything but visible ASCII into a header", () => {
    fc.assert(
      fc.property(anyText, anyText, fc.dictionary(anyText, anyText), (jobId, causationId, extensions) => {
        const overrides = new Map(Object.entries(extensions));
        const event = outcomeEvent({ ...COMPLETED, jobId, causationId, overrides, data: { jobId } });

        const { headers, body } = encodeBinary(event);

        for (const [header, value] of Object.entries(headers)) {
          expect(header).toMatch(/^(content-type|ce-[a-z0-9]+)$/);
          expect(value).toMatch(/^[\x21-\x7e]*$/);
        }
        expect(JSON.parse(body)).toEqual(JSON.parse(encodeStructured(event)).data);
      }),
      { numRuns: 500 },
    );
  });
});
