import fc from "fast-check";
import { names, texts, values } from "../events/nasty.ts";

export type FuzzRequest = {
  method: string;
  path: string;
  headers: [name: string, value: string][];
  body: Buffer;
};

const PREFIX = "dev.my-platform.agent";
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const WEIRD_KEYS = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "",
  "a/b~c",
  "\ud800",
  "\0",
  "😀",
  "nods",
  "then",
];
const HUGE = [
  "x".repeat(40_000),
  "😀".repeat(9000),
  "\u0000".repeat(2000),
  '"\\'.repeat(5000),
  "y".repeat(70_000),
];

const text = fc.oneof(
  { weight: 4, arbitrary: fc.string() },
  { weight: 3, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
  { weight: 3, arbitrary: fc.constantFrom(...texts, ...values, ...WEIRD_KEYS) },
  { weight: 1, arbitrary: fc.constantFrom(...HUGE) },
);
const anything: fc.Arbitrary<Json> = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>,
  text,
  fc.constantFrom<Json>(null, true, 0, -1, 1.5, 1e308, 2 ** 53, [], {}, [[]], [null], { "": {} }),
);

/** Each is done to one place of a value that was good before; `at` counts its places through. */
type Spoiling =
  | { kind: "replace"; at: number; by: Json }
  | { kind: "delete"; at: number }
  | { kind: "rename"; at: number; to: string }
  | { kind: "bury"; at: number; depth: number };
const at = fc.nat(60);
const spoiling: fc.Arbitrary<Spoiling> = fc.oneof(
  fc.record({ kind: fc.constant("replace" as const), at, by: anything }),
  fc.record({ kind: fc.constant("delete" as const), at }),
  fc.record({ kind: fc.constant("rename" as const), at, to: fc.oneof(fc.constantFrom(...WEIRD_KEYS), text) }),
  fc.record({ kind: fc.constant("bury" as const), at, depth: fc.constantFrom(1, 30, 120, 140, 500) }),
);

function spoil(value: Json, spoilings: readonly Spoiling[]): Json {
  return spoilings.reduce((whole, each) => {
    const left = { places: each.at % Math.max(1, countPlaces(whole)) };
    return spoilPlace(whole, each, left);
  }, value);
}

function countPlaces(value: Json): number {
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce<number>((sum, inner) => sum + 1 + countPlaces(inner), 0);
}

function spoilPlace(value: Json, how: Spoiling, left: { places: number }): Json {
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).flatMap(([key, inner]) =>
    left.places-- === 0
      ? spoilEntry(key, inner, how)
      : [[key, spoilPlace(inner, how, left)] satisfies [string, Json]],
  );
  return Array.isArray(value) ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
}

function spoilEntry(key: string, inner: Json, how: Spoiling): [string, Json][] {
  switch (how.kind) {
    case "replace":
      return [[key, how.by]];
    case "delete":
      return [];
    case "rename":
      return [[how.to, inner]];
    case "bury":
      return [[key, Array.from({ length: how.depth }).reduce<Json>((deep) => [deep], inner)]];
  }
}

/** One in eight. */
const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 7, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const mostly = <T, U>(usual: T, other: fc.Arbitrary<U>): fc.Arbitrary<T | U> =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: other });

const response = fc.oneof(
  text,
  fc.record({ content: text, delay_ms: fc.nat(30) }, { requiredKeys: [] }),
  fc.record({
    error: fc.record({ status: fc.constantFrom(400, 401, 404, 429, 500, 503, 599), message: text }),
  }),
  fc.record({
    content: rarely(text),
    tool_calls: fc.array(
      fc.record({
        name: fc.constantFrom("write_todos", "task", "ls", "no_tool", "x\0"),
        args: fc.dictionary(fc.string(), anything, { maxKeys: 2 }),
      }),
      { maxLength: 2 },
    ),
  }),
);
const model = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      provider: fc.constant("scripted"),
      model: fc.constant("x"),
      responses: fc.array(response, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      provider: fc.constant("echo"),
      temperature: fc.double({ min: 0, max: 2, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      provider: fc.constantFrom("openai", "anthropic", "opnai"),
      model_name: text,
      base_url: rarely(fc.constantFrom("http://127.0.0.1:1/", "file:///etc/passwd", "x")),
    }),
  },
);
const type = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom("agent", "specialist", "AGENT") },
  { weight: 1, arbitrary: fc.constantFrom("orchestrator", "router", "tool") },
);
const settings = { name: rarely(text), model, system_prompt: rarely(text), tools: fc.constant([]) };
const node = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type, ...settings }) },
  { weight: 1, arbitrary: fc.record({ type, id: mostly("main", text), config: fc.record(settings) }) },
);
const limits = fc.record(
  {
    steps: fc.nat(9),
    seconds: fc.constantFrom(0, 0.01, 1, 1e9),
    tokens: fc.nat(2000),
    tool_calls: fc.nat(3),
  },
  { requiredKeys: [] },
);
/** Hardly any is like another. */
const definition = fc.record({
  name: rarely(text),
  version: fc.uuid(),
  nodes: fc.array(node, { minLength: 1, maxLength: 1 }),
  edges: mostly([], fc.constant([{ from: "a", to: "b" }])),
  tool_definitions: mostly([], fc.constant([{ name: "t", runtime: { type: "javascript", script: "1" } }])),
  limits: rarely(limits),
}) as unknown as fc.Arbitrary<Json>;
const words = text.map((each) => each || "say something");
const message = fc.record({
  role: mostly("user", fc.constantFrom("assistant", "system", "tool", "human", "x")),
  content: fc.oneof(
    words,
    fc.array(fc.record({ type: mostly("text", fc.constant("image_url")), text }), { maxLength: 2 }),
  ),
});
const input = fc.oneof(
  { weight: 4, arbitrary: words },
  { weight: 4, arbitrary: fc.record({ messages: fc.array(message, { minLength: 1, maxLength: 3 }) }) },
  { weight: 1, arbitrary: anything },
) as fc.Arbitrary<Json>;

/** Few enough that turns meet on a job, and copies of an event each other. */
const jobId = fc.oneof(
  { weight: 5, arbitrary: fc.uuid() },
  { weight: 2, arbitrary: fc.constantFrom("a", "b/c", "ü €", "😀".repeat(200), "%2F") },
  { weight: 1, arbitrary: text },
);
const wellKnown = fc.constantFrom(
  ...["echo", "scripted"].map((provider) => ({ nodes: [{ model: { provider, responses: ["x"] } }] })),
) as fc.Arbitrary<Json>;
const withDefinition = fc
  .record({
    job_id: jobId,
    agent_definition: definition,
    input,
    input_payload: rarely(rarely(input)),
    agent: rarely(rarely(text)),
    context: rarely(anything),
    limits: rarely(limits),
    trace_id: rarely(text),
  })
  .map((value) => JSON.parse(JSON.stringify(value)) as Json);
const data = fc.oneof(
  { weight: 6, arbitrary: withDefinition },
  {
    weight: 1,
    arbitrary: fc.record({ job_id: jobId, agent_definition: wellKnown, input }) as fc.Arbitrary<Json>,
  },
);
const spoilings = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 2, arbitrary: fc.array(spoiling, { minLength: 1, maxLength: 2 }) },
);
const verb = fc.oneof(
  { weight: 20, arbitrary: fc.constant("execute") },
  { weight: 1, arbitrary: fc.constantFrom("resume", "cancel", "completed", "") },
);
const eventId = fc.oneof(
  { weight: 12, arbitrary: fc.uuid() },
  { weight: 1, arbitrary: fc.constantFrom("1", "2", "3") },
);

const eventWith = (its: fc.Arbitrary<Json>) =>
  fc
    .tuple(
      fc.record({
        specversion: fc.constant("1.0"),
        id: eventId,
        source: fc.constant("/fuzz"),
        type: verb.map((word) => `${PREFIX}.${word}`),
        data: its,
      }),
      spoilings,
    )
    .map(([good, wrongs]) => spoil(good, wrongs));
const event = eventWith(data);

const prefer = fc.constantFrom(
  "respond-async",
  "wait=0",
  "wait=1",
  "wait=1, respond-async",
  "reply",
  "wait=x;y",
  'WAIT="2"',
  ",,;=",
  "wait=99999999999",
);
/** Those that frame the request are the wire's own business. */
const FRAMING =
  /^(content-length|transfer-encoding|connection|expect|upgrade|host|trailer|te|keep-alive|proxy-connection)$/i;
const headerLine = fc
  .tuple(
    fc.oneof(
      fc.constantFrom(...names, "prefer", "traceparent", "accept", "cookie"),
      fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/),
    ),
    fc.oneof(
      fc.constantFrom(...values),
      fc.string({ maxLength: 30 }),
      fc.string({ unit: "binary", maxLength: 8 }),
    ),
  )
  .filter(([name]) => name !== "" && !FRAMING.test(name))
  .map(([name, value]): [string, string] => [name, value.replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, "")]);
const extras = fc
  .tuple(
    fc.option(prefer, { nil: "", freq: 1 }),
    fc.oneof(
      { weight: 5, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(headerLine, { maxLength: 4 }) },
    ),
  )
  .map(([preference, lines]): [string, string][] => [
    ...(preference ? [["prefer", preference] as [string, string]] : []),
    ...lines,
  ]);

const post = (headers: [string, string][], value: Json | Buffer): FuzzRequest => {
  const body = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
  return { method: "POST", path: "/", headers, body };
};

const structured = fc
  .tuple(event, extras)
  .map(([value, more]) => post([["content-type", "application/cloudevents+json"], ...more], value));
const batch = fc
  .tuple(fc.array(event, { maxLength: 4 }), extras)
  .map(([value, more]) =>
    post([["content-type", "application/cloudevents-batch+json; charset=utf-8"], ...more], value),
  );
const binary = fc
  .tuple(
    fc.tuple(data, spoilings).map(([good, wrongs]) => spoil(good, wrongs)),
    eventId,
    verb,
    fc.array(headerLine, { maxLength: 1 }),
    extras,
  )
  .map(([value, id, word, lines, more]) => {
    const own: [string, string][] = [
      ["ce-specversion", "1.0"],
      ["ce-id", id],
      ["ce-source", "/fuzz"],
      ["ce-type", `${PREFIX}.${word}`],
      ["content-type", "application/json"],
    ];
    return post([...own, ...lines, ...more], value);
  });
const bytes = fc
  .tuple(
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      text.map((each) => Buffer.from(each)),
    ),
    fc.constantFrom(
      "application/cloudevents+json",
      "application/cloudevents-batch+json",
      "application/json",
      "text/plain",
    ),
    extras,
  )
  .map(([body, contentType, more]) => post([["content-type", contentType], ...more], Buffer.from(body)));
const segment = text.map((each) => encodeURIComponent(each.replaceAll(/\p{Cs}/gu, "\uFFFD")).slice(0, 4000));
const look = fc
  .tuple(
    fc.constantFrom("GET", "GET", "PUT", "OPTIONS", "DELETE"),
    fc.oneof(
      segment.map((id) => `/jobs/${id}`),
      fc
        .tuple(fc.constantFrom("status", "after", "limit", "x"), segment)
        .map(([name, value]) => `/jobs?${name}=${value}`),
      fc.constantFrom("/", "/jobs", "/health", "/ready", "/jobs/%", "/jobs/b%2Fc"),
      segment.map((each) => `/${each}`),
    ),
    extras,
  )
  .map(([method, path, headers]): FuzzRequest => ({ method, path, headers, body: Buffer.alloc(0) }));

/** Whatever may come over the wire, most of it near to what is good. */
export const anyRequest: fc.Arbitrary<FuzzRequest> = fc.oneof(
  { weight: 9, arbitrary: structured },
  { weight: 6, arbitrary: binary },
  { weight: 2, arbitrary: batch },
  { weight: 1, arbitrary: bytes },
  { weight: 2, arbitrary: look },
);
