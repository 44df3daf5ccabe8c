import { type Logger, pino } from "pino";
import { redactLine } from "./redaction.ts";

export type { Logger };

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";

/** JSON lines on stdout. Payloads and secrets are never logged; errors go in by code and message. */
export function createLogger(level: LogLevel): Logger {
  const stdout = pino.destination(1);
  const options = {
    level,
    base: null,
    messageKey: "message",
    timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: ["password", "api_key", "apiKey", "authorization", "token", "*.password", "*.api_key", "*.token"],
    serializers: { err: describe },
  };
  return pino(options, { write: (line) => stdout.write(redactLine(line)) });
}

/** Not the whole error: drivers and clients hang connection strings and request headers on theirs. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? String(error.code) : undefined;
  const cause = error.cause instanceof Error ? describe(error.cause) : undefined;
  return { type: error.name, message: error.message, code, stack: error.stack, cause };
}
