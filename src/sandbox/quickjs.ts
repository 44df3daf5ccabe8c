import base from "@jitl/quickjs-wasmfile-release-sync";
import {
  newQuickJSWASMModuleFromVariant,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSRuntime,
  type QuickJSSyncVariant,
} from "quickjs-emscripten-core";
import { PRELUDE } from "./prelude.ts";
import type { ScriptAnswer, ScriptCall } from "./script.ts";

// Its types speak of the CommonJS module; what is imported is the variant itself.
const variant = base as unknown as QuickJSSyncVariant;

const MAX_LINES = 100;
/** Of the interpreter's own stack: deeper, and the thread's would overflow before it. */
const STACK_BYTES = 128 * 1024;
/** How many steps of promises run between two looks at the clock. */
const JOBS_AT_ONCE = 50;

/**
 * Runs one call in an instance of its own: its memory is made for this call and thrown away after
 * it, so nothing that a script leaves behind, or breaks, is there for the next.
 */
export async function runScript(module: WebAssembly.Module, call: ScriptCall): Promise<ScriptAnswer> {
  const quickjs = await newQuickJSWASMModuleFromVariant(newVariant(variant, { wasmModule: module }));
  const lines: string[] = [];
  const deadline = performance.now() + call.milliseconds;
  const isLate = () => performance.now() > deadline;
  try {
    const runtime = quickjs.newRuntime();
    runtime.setMemoryLimit(call.memoryBytes);
    runtime.setMaxStackSize(STACK_BYTES);
    runtime.setInterruptHandler(isLate);
    const said = evaluate(runtime, call, lines, isLate);
    if (isLate()) return tooLate(call, lines);
    return { kind: said[0] === "v" ? "value" : "error", isCut: said[1] === "1", text: said.slice(2), lines };
  } catch (error) {
    if (isLate()) return tooLate(call, lines);
    // The instance gave up, as it does when its stack is full; what holds it is dropped with it.
    const why = error instanceof ScriptProblem ? error.message : "out of memory, or nested too deeply";
    return { kind: "error", text: why, isCut: false, lines };
  }
}

class ScriptProblem extends Error {}

function tooLate({ milliseconds }: ScriptCall, lines: string[]): ScriptAnswer {
  return { kind: "too_late", text: `no answer within ${milliseconds / 1000} s`, isCut: false, lines };
}

/** Nothing is freed one by one: all of it goes with the instance. */
function evaluate(runtime: QuickJSRuntime, call: ScriptCall, lines: string[], isLate: () => boolean): string {
  const context = runtime.newContext();
  if (call.onlyCompile) return read(context, call.script, isLate);
  const log = context.newFunction("log", (line) => {
    if (lines.length < MAX_LINES) lines.push(context.getString(line));
  });
  const prelude = unwrap(context, context.evalCode(PRELUDE, "prelude.js"));
  const run = unwrap(context, context.callFunction(prelude, context.undefined, log));
  const exported = settled(context, moduleOf(context, call.script), isLate);
  const script = context.getProp(exported, "default");
  const { newString } = context;
  const given = [call.args, call.context].map((text) => newString.call(context, text));
  const most = context.newNumber(call.maxCharacters);
  const promise = unwrap(context, context.callFunction(run, context.undefined, script, ...given, most));
  const answer = settled(context, promise, isLate);
  if (context.typeof(answer) !== "string") throw new ScriptProblem("the script broke its own surroundings");
  return context.getString(answer);
}

const READ = "it was read to its end";

/** A module is read as a whole before its first statement is run, and that one ends it. */
function read(context: QuickJSContext, script: string, isLate: () => boolean): string {
  try {
    settled(context, moduleOf(context, script, `throw ${JSON.stringify(READ)}; `), isLate);
  } catch (error) {
    if (!(error instanceof ScriptProblem) || error.message !== READ) throw error;
  }
  return "v0";
}

/** The bare function becomes a module too, so that both spellings mean the same. */
function moduleOf(context: QuickJSContext, script: string, before = ""): QuickJSHandle {
  const isModule = /(^|[;}])\s*export\s+default\b/m.test(script);
  const source = isModule ? script : `export default ${script}`;
  return unwrap(context, context.evalCode(before + source, "script.js", { type: "module" }));
}

/**
 * The value behind a promise. With no timers and no network, one that still waits when nothing is
 * left to do waits for ever.
 */
function settled(context: QuickJSContext, handle: QuickJSHandle, isLate: () => boolean): QuickJSHandle {
  for (;;) {
    if (isLate()) throw new ScriptProblem("too late");
    const done = context.runtime.executePendingJobs(JOBS_AT_ONCE);
    if (done.error) throw new ScriptProblem(describe(context, done.error));
    const state = context.getPromiseState(handle);
    if (state.type === "fulfilled") return state.value;
    if (state.type === "rejected") throw new ScriptProblem(describe(context, state.error));
    if (!context.runtime.hasPendingJob()) {
      throw new ScriptProblem(
        "the promise of the script can never settle: it waits for something that nothing here does",
      );
    }
  }
}

type Result = { error?: QuickJSHandle | undefined; value?: QuickJSHandle };

function unwrap(context: QuickJSContext, result: Result): QuickJSHandle {
  if (result.error) throw new ScriptProblem(describe(context, result.error));
  if (result.value) return result.value;
  throw new ScriptProblem("nothing came of the script");
}

function describe(context: QuickJSContext, error: QuickJSHandle): string {
  if (context.typeof(error) === "string") return context.getString(error).slice(0, 2000);
  const [name, message, stack] = ["name", "message", "stack"].map((key) => {
    const value = context.getProp(error, key);
    return context.typeof(value) === "string" ? context.getString(value).slice(0, 2000) : "";
  });
  return `${name || "Error"}: ${message || "out of memory, or cut off"}\n${stack}`.trimEnd();
}
