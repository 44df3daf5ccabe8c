import { type LogFn, type Logger, pino } from "pino";
import { LogFilter } from "./log-filter.ts";
import { redactLine } from "./redaction.ts";
import { activeSpanContext } from "./spans.ts";

export type { Logger };

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";

type LineWriter = { write(line: string): unknown };

/** JSON lines, on stdout unless told otherwise. Payloads and secrets are never logged; errors go in by code and message. */
export function createLogger(level: LogLevel, out: LineWriter = pino.destination(1)): Logger {
  const filter = new LogFilter(level);
  filters.add(filter);
  const options = {
    // The filter decides: loggers that were made from this one would keep the level of that moment.
    level: level === "silent" ? "silent" : "trace",
    // What is said while something is traced is joined to it; a line that names a trace keeps its own.
    mixin: () => {
      const active = activeSpanContext();
      return active === undefined ? {} : { trace_id: active.traceId };
    },
    hooks: { logMethod: filtered(filter) },
    base: null,
    messageKey: "message",
    timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: ["password", "api_key", "apiKey", "authorization", "token", "*.password", "*.api_key", "*.token"],
    serializers: { err: describe },
  };
  return pino(options, { write: (line) => out.write(redactLine(line)) });
}

const filters = new Set<LogFilter>();

/** For a signal: more is said, until the next one. */
export function toggleDebug(): string {
  return [...filters].map((filter) => filter.toggle()).at(-1) ?? "";
}

/** Lines that were left out are counted in the next one of the same text. */
function filtered(filter: LogFilter) {
  return function (this: Logger, args: Parameters<LogFn>, write: LogFn, level: number): void {
    const [first, second] = args as unknown[];
    const text = typeof first === "string" ? first : String(second ?? "");
    const leftOut = filter.passes(level, text);
    if (leftOut === undefined) return;
    if (leftOut === 0) write.apply(this, args);
    else if (typeof first === "string") write.call(this, { lines_left_out: leftOut }, first);
    else write.call(this, { ...(first as object), lines_left_out: leftOut }, text);
  };
}

/** Not the whole error: drivers and clients hang connection strings and request headers on theirs. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? String(error.code) : undefined;
  const cause = error.cause instanceof Error ? describe(error.cause) : undefined;
  return { type: error.name, message: error.message, code, stack: error.stack, cause };
}
