import { once } from "node:events";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Sandbox, type ScriptAnswer } from "../../src/sandbox/sandbox.ts";

const SECRET = "sandbox-secret-7c1";
let sandbox: Sandbox;
beforeAll(() => {
  process.env["SANDBOX_TEST_SECRET"] = SECRET;
  sandbox = new Sandbox({ threads: 2 });
});
afterAll(async () => {
  delete process.env["SANDBOX_TEST_SECRET"];
  await sandbox.close();
});

const LIMIT_MS = 1000;
/** What the thread is given after its limit, and the machine's own slowness. */
const PATIENCE_MS = 2500;

function run(script: string, args: object = {}, milliseconds = LIMIT_MS): Promise<ScriptAnswer> {
  const context = JSON.stringify({ job_id: "job-1", run_id: "run-1", idempotency_key: "key-1" });
  return sandbox.run({ script, args: JSON.stringify(args), context, milliseconds });
}

describe("a script", () => {
  it.each([
    [
      "export default async (args, ctx) => ({ sum: args.a + args.b, job: ctx.job_id })",
      '{"sum":3,"job":"job-1"}',
    ],
    ["// adds\nexport default (args) => args.a + args.b;\n", "3"],
    ["async (args) => args.a + args.b", "3"],
    ["args => '' + args.a", "1"],
    ["async function add({ a, b }) { return a + b; }", "3"],
    ["const two = 2;\nexport default ({ a }) => a * two", "2"],
    ["export default () => undefined", "null"],
    ["export default (args, ctx) => ctx", '{"job_id":"job-1","run_id":"run-1","idempotency_key":"key-1"}'],
    ["async () => { const all = await Promise.all([1, Promise.resolve(2)]); return all }", "[1,2]"],
  ])("%s", async (script, text) => {
    expect(await run(script, { a: 1, b: 2 })).toMatchObject({ kind: "value", text });
  });

  it("can be read without being run", async () => {
    expect(await sandbox.problemOf("for (;;);\nexport default () => 1")).toBeUndefined();
    expect(await sandbox.problemOf("async (args) => args.a")).toBeUndefined();
    expect(await sandbox.problemOf("(a) =>\n  a +")).toMatch(/SyntaxError[\s\S]*script\.js:2/);
    expect(await sandbox.problemOf("import fs from 'fs'; export default 1")).toMatch(/could not load/);
  });

  it("that throws says so, with the line and with what it wrote", async () => {
    const answer = await run(
      '(args) => {\n  console.log("seen", args);\n  throw new TypeError("no " + args.a);\n}',
      {
        a: 1,
      },
    );

    expect(answer).toMatchObject({ kind: "error", lines: ['seen {"a":1}'] });
    expect(answer.text).toMatch(/^TypeError: no 1\n.*script\.js:3/);
  });

  it.each([
    ["not a script", /SyntaxError/],
    ["export default 5", /must be one function/],
    ["export const other = 1", /must be one function|SyntaxError/],
    ["() => setTimeout(() => {}, 1)", /setTimeout is not there: a JavaScript tool has no timers/],
    ["() => fetch('http://example.com')", /fetch is not there: a JavaScript tool has no network/],
    ["() => require('fs')", /require is not there: a JavaScript tool has no modules/],
    ["() => process.env", /process is not there/],
    ["() => { const a = {}; a.a = a; return a }", /circular/],
    ["() => 1n", /BigInt/i],
    ["() => { throw null }", /null/],
    ["() => { throw { toString() { throw 1 } } }", /./],
  ])("%s: refused with words that help", async (script, words) => {
    const answer = await run(script);
    expect(answer.kind).toBe("error");
    expect(answer.text).toMatch(words);
  });

  it("has its result cut at the limit, and its console too", async () => {
    const long = await run(
      "() => { for (let i = 0; i < 500; i++) console.log('x'.repeat(9000)); return 'y'.repeat(400000) }",
    );

    expect([long.text.length, long.isCut]).toEqual([256 * 1024, true]);
    expect([long.lines.length, long.lines[0]?.length]).toEqual([100, 2000]);
  });
});

/** Each tries to get at something outside, and answers with what it found; "nothing" where there is nothing. */
const ESCAPES: readonly (readonly [what: string, script: string])[] = [
  ["process", "() => globalThis.process?.env ?? 'nothing'"],
  ["process by the Function constructor", "() => Function('return process.env')()"],
  ["process by a constructor's constructor", "(a) => a.constructor.constructor('return process')().env"],
  [
    "host objects behind the arguments",
    "(a) => a.__proto__.constructor.constructor('return typeof process.mainModule')()",
  ],
  ["host objects behind the context", "(a, c) => c.constructor.constructor('return this.process.binding')()"],
  ["host objects behind console", "() => console.log.constructor('return process')().pid"],
  [
    "an error's call sites",
    "() => { Error.prepareStackTrace = (e, s) => s; const s = new Error().stack; return s[0].getThis().process.env }",
  ],
  [
    "a stack overflow's error",
    "() => { let e; try { (function f() { f() })() } catch (x) { e = x } return e.constructor.constructor('return process')().env }",
  ],
  ["require", "() => require('fs').readFileSync('/etc/passwd', 'utf8')"],
  ["import of a file", "import fs from 'fs'; export default () => fs.readFileSync('/etc/passwd', 'utf8')"],
  [
    "import of a node module",
    "import { execSync } from 'node:child_process'; export default () => execSync('id')",
  ],
  ["dynamic import", "async () => (await import('node:fs')).readFileSync('/etc/passwd', 'utf8')"],
  ["dynamic import of a URL", "async () => (await import('file:///etc/passwd')).default"],
  ["import of data", "async () => (await import('data:text/javascript,export default 1')).default"],
  ["import.meta", "export default () => import.meta.url.startsWith('file:') || import.meta.resolve('fs')"],
  ["fetch", "async () => (await fetch('http://169.254.169.254/')).status"],
  [
    "XMLHttpRequest",
    "() => { const x = new XMLHttpRequest(); x.open('GET', 'http://127.0.0.1'); return x.send() }",
  ],
  ["WebSocket", "() => new WebSocket('ws://127.0.0.1').url"],
  ["the worker's port", "() => parentPort.postMessage('x')"],
  ["postMessage", "() => postMessage('x')"],
  ["worker data", "() => workerData.module"],
  ["the std module of QuickJS", "import * as std from 'std'; export default () => std.getenv('HOME')"],
  ["the os module of QuickJS", "import * as os from 'qjs:os'; export default () => os.readdir('/')"],
  ["QuickJS's loader of scripts", "() => std.loadScript('/etc/passwd')"],
  ["WebAssembly of the host", "() => new WebAssembly.Memory({ initial: 1 }).buffer.byteLength"],
  ["Deno", "() => Deno.env.toObject()"],
  ["Atomics.wait, to stop the thread", "() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)"],
  [
    "a getter on the prelude's way",
    "() => { Object.defineProperty(Object.prototype, 'then', { get() { return (r) => r(globalThis.process.env) } }); return {} }",
  ],
  [
    "the prelude's own tools",
    "() => { JSON.stringify = () => 'v0' + process.env; String.prototype.slice = () => process.env; return { a: 1 } }",
  ],
  ["what a debugger would give", "() => { debugger; return process._debugProcess(1) }"],
];

describe("nothing outside is reached", () => {
  it("by thirty tries", () => expect(ESCAPES.length).toBeGreaterThanOrEqual(30));

  it.each(ESCAPES)("not %s", async (_what, script) => {
    const answer = await run(script);

    const said = JSON.stringify(answer);
    expect(said).not.toContain(SECRET);
    expect(said).not.toMatch(/root:|uid=|file:\/\/\/(?!etc)|node_modules/);
    if (answer.kind === "value") expect(answer.text).toMatch(/^(nothing|\{"a":1\}|\{\})$/);
  });

  it("and the next script finds everything as it was", async () => {
    const spoil = `() => { Object.prototype.left = 1; globalThis.mine = 2; Array.prototype.map = null;
      JSON.parse = () => 3; Promise.prototype.then = null; return 'spoilt' }`;
    for (let i = 0; i < 4; i++) await run(spoil);

    const found = await run("() => [({}).left ?? 0, typeof mine, typeof [].map, JSON.parse('4')]");

    expect(found.text).toBe('[0,"undefined","function",4]');
  });

  it("nor the arguments of a script that runs at the same time", async () => {
    const look =
      "(args) => { const end = Date.now() + 50; while (Date.now() < end); return [args.who, globalThis.seen ?? 0, globalThis.seen = args.who] }";

    const answers = await Promise.all(Array.from({ length: 8 }, (_, who) => run(look, { who })));

    expect(answers.map(({ text }) => text)).toEqual(answers.map((_, who) => `[${who},0,${who}]`));
  });
});

const EXHAUSTING: readonly (readonly [what: string, script: string])[] = [
  ["an endless loop", "() => { for (;;); }"],
  ["an endless loop at the top", "for (;;); export default () => 1"],
  ["a loop that catches its own end", "() => { for (;;) try { for (;;); } catch {} finally { for (;;); } }"],
  ["endless promises", "async () => { for (;;) await null }"],
  ["promises that make promises", "() => { const f = () => Promise.resolve().then(f); return f() }"],
  ["a thenable that never ends", "() => ({ then(go) { return this.then(go) } })"],
  ["a promise that never settles", "() => new Promise(() => {})"],
  ["a top-level promise that never settles", "await new Promise(() => {}); export default () => 1"],
  ["a pattern that backtracks", "() => /^(a+)+$/.test('a'.repeat(64) + 'b')"],
  ["deep recursion", "() => { const f = (n) => f(n + 1) + 1; return f(0) }"],
  ["deep JSON", "() => JSON.parse('['.repeat(1e6))"],
  ["deep nesting of the result", "() => { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a }"],
  ["memory, by an array", "() => { const a = []; for (;;) a.push(new Array(1000).fill(1)) }"],
  ["memory, by a text", "() => { let s = 'x'; for (;;) s += s }"],
  ["memory, by buffers", "() => { const a = []; for (;;) a.push(new Uint8Array(1e6)) }"],
  ["memory, in one piece", "() => new Array(4e9).fill(1)"],
  ["a number without end", "() => { let n = 2n; for (;;) n = n ** 2n }"],
  ["a getter that loops while the result is written", "() => ({ get a() { for (;;); } })"],
  ["a toJSON that loops", "() => ({ toJSON() { for (;;); } })"],
  [
    "a sort that never ends",
    "() => { const a = Array.from({ length: 1e5 }, Math.random); for (;;) a.sort(() => Math.random() - 0.5) }",
  ],
  ["console without end", "() => { for (;;) console.log('x'.repeat(1000)) }"],
  [
    "a proxy of proxies",
    "() => { let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.a }",
  ],
];

/** The longest time that the event loop stood still; what the work itself blocks, it blocks each time. */
async function worstDelay(work: () => Promise<unknown>): Promise<number> {
  const worst: number[] = [];
  for (let i = 0; i < 3; i++) {
    const delays = monitorEventLoopDelay({ resolution: 1 });
    delays.enable();
    await work();
    delays.disable();
    worst.push(delays.max / 1e6);
  }
  return Math.min(...worst);
}

/** A thread that is busy for as long as a script may be, with nothing of the sandbox. */
async function busyThread(): Promise<void> {
  const code = `const end = Date.now() + ${LIMIT_MS}; while (Date.now() < end);`;
  await once(new Worker(code, { eval: true }), "exit");
}

describe("what has no end is cut", () => {
  it.each(EXHAUSTING)("%s", async (_what, script) => {
    const startedAt = performance.now();
    const answer = await run(script);

    expect(answer.kind).not.toBe("value");
    expect(performance.now() - startedAt).toBeLessThan(LIMIT_MS + PATIENCE_MS);
    expect((await run("() => 'alive'", {}, 10_000)).text).toBe("alive");
  });

  it("while the event loop goes on", { timeout: 60_000 }, async () => {
    await run("() => 1"); // the start of the thread is not what is measured
    const scripts = ["() => { for (;;); }", "() => { let s = 'x'; for (;;) s += s }"];

    const sandboxed = await worstDelay(() => Promise.all(scripts.map((script) => run(script))));
    const plain = await worstDelay(() => Promise.all([busyThread(), busyThread()]));

    // Two busy threads of any kind delay it on a machine that has other work: that much is not ours.
    expect(sandboxed).toBeLessThan(Math.max(50, 1.5 * plain));
  });

  it("and an abort cuts it at once, and gives the thread's place to the next", async () => {
    const stop = new AbortController();
    const endless = { script: "() => { for (;;); }", args: "{}", context: "{}", milliseconds: 60_000 };
    const running = [1, 2, 3].map(() => sandbox.run(endless, stop.signal).catch((error: unknown) => error));
    const reason = new Error("enough");

    stop.abort(reason);

    expect(await Promise.all(running)).toEqual([reason, reason, reason]);
    expect((await run("() => 'next'", {}, 10_000)).text).toBe("next");
  });
});
