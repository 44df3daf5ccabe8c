/** What a script may look for out of habit, by what to say of it. */
const MISSING = [
  [
    "timers",
    ["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "queueMicrotask"],
  ],
  ["network: make it a tool of type http", ["fetch", "XMLHttpRequest", "WebSocket", "EventSource"]],
  ["modules and no files", ["require", "process", "Buffer", "Deno", "Bun"]],
] as const;

const missing = MISSING.flatMap(([what, names]) => names.map((name) => [name, what] as const));

/**
 * Runs inside the sandbox before the script, and keeps its own hands on what the script may change
 * afterwards. Gives the function that calls the script's function and answers in one text.
 */
export const PRELUDE = `((log) => {
  const { stringify, parse } = JSON;
  const { defineProperty } = Object;
  const slice = String.prototype.slice.call.bind(String.prototype.slice);
  const show = (value) => {
    try {
      if (typeof value === "string") return value;
      if (value instanceof Error) return String(value);
      return stringify(value) ?? String(value);
    } catch {
      return "[a value that cannot be shown]";
    }
  };
  const write = (...values) => log(slice(values.map(show).join(" "), 0, 2000));
  globalThis.console = { log: write, info: write, warn: write, error: write, debug: write, trace: write };
  const refuse = (name, what) => () => {
    throw new Error(name + " is not there: a JavaScript tool has no " + what);
  };
  for (const [name, what] of ${JSON.stringify(missing)}) {
    if (name === "process" || name === "Buffer" || name === "Deno" || name === "Bun") {
      defineProperty(globalThis, name, { get: refuse(name, what), configurable: true });
    } else globalThis[name] = refuse(name, what);
  }
  return async (script, args, context, most) => {
    const end = (kind, text) => kind + (text.length > most ? "1" : "0") + slice(text, 0, most);
    try {
      if (typeof script !== "function") {
        throw new TypeError("the script must be one function: export default async (args, ctx) => value");
      }
      const value = await script(parse(args), parse(context));
      return end("v", typeof value === "string" ? value : (stringify(value) ?? "null"));
    } catch (error) {
      const stack = error instanceof Error && typeof error.stack === "string" ? "\\n" + error.stack : "";
      return end("e", show(error) + slice(stack, 0, 1000));
    }
  };
})`;
