import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { noMore, readArguments } from "./arguments.ts";
import { CommandFailed } from "./exit.ts";
import { type Colour, type Paint, painter, tame } from "./paint.ts";
import type { CliTools } from "./tools.ts";

const COLOURS: Readonly<Record<string, Colour>> = {
  warn: "yellow",
  error: "red",
  fatal: "red",
  debug: "dim",
  trace: "dim",
};
/** Said in words, or of no use to a person. */
const LEFT_OUT = new Set(["level", "timestamp", "message", "err", "trace_id"]);

/** The service as a process of its own, its log lines in words. */
export async function dev(args: readonly string[], tools: CliTools): Promise<void> {
  const { values, positionals } = readArguments(args, {
    port: { type: "string" },
    json: { type: "boolean" },
  });
  noMore(positionals, 0);
  const env = { ...process.env, ...(values.port !== undefined && { PORT: values.port }) };
  const child = spawn(process.execPath, tools.serviceCommand, { env, stdio: ["ignore", "pipe", "inherit"] });
  const paint = painter(tools);
  createInterface(child.stdout).on("line", (line) => tools.print(values.json ? line : inWords(line, paint)));
  const pass = (signal: NodeJS.Signals) => void child.kill(signal);
  // From a terminal the child gets ^C itself; a second one must not end us before it has ended its runs.
  const onInterrupt = () => (process.stdin.isTTY ? undefined : pass("SIGINT"));
  const onTerminate = () => pass("SIGTERM");
  process.on("SIGINT", onInterrupt).on("SIGTERM", onTerminate);
  const code = await new Promise<number | null>((done) => child.once("close", done));
  process.off("SIGINT", onInterrupt).off("SIGTERM", onTerminate);
  if (code !== 0) throw new CommandFailed(`the service ended with ${code ?? "a signal"}`);
}

/** One line of the log for people; what is no log line stays as it is. */
export function inWords(line: string, paint: Paint): string {
  const entry = parsed(line);
  if (entry === undefined) return line;
  const { level, timestamp, message, err } = entry;
  const time = String(timestamp ?? "").slice(11, 23);
  const more = Object.entries(entry)
    .filter(([key]) => !LEFT_OUT.has(key))
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const failure = err === undefined ? [] : [String((err as { message?: unknown }).message ?? err)];
  const words = paint(COLOURS[String(level)] ?? "bold", tame([String(message ?? ""), ...failure].join(": ")));
  return [paint("dim", time), words, paint("dim", tame(more.join(" ")))]
    .filter((part) => part !== "")
    .join("  ");
}

function parsed(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
