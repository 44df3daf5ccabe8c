#!/usr/bin/env node
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runCommandLine } from "./cli/run.ts";
import { hideValue, redact } from "./observability/redaction.ts";

/** Read on use: help must not wait for a schema. */
const readConfiguration = async () => await import("./config.ts");
/** What a run of one's own takes from the environment: no database, no doors, no sink. */
const OF_ONE_RUN = /^(OPENAI|ANTHROPIC|MODEL|RUN|EGRESS|ALLOW|MCP|GRAPH|TOOL|SANDBOX)_|^LOG_LEVEL$/;

const beside = import.meta.url.endsWith(".ts") ? "./main.ts" : "./main.js";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0); // `| head` has seen enough
  throw error;
});

// As the first process of a container nobody is ended by a signal that nobody takes.
for (const [signal, code] of [["SIGINT", 130] as const, ["SIGTERM", 143] as const]) {
  const onlyUs = () => process.listenerCount(signal) === 1; // `dev` takes them itself, and ends in its own time
  if (process.pid === 1) process.on(signal, () => onlyUs() && process.exit(code));
}

// Rests between tries keep no process alive: in one of them it would end, without a word.
const alive = setInterval(() => undefined, 60_000);

process.exitCode = await runCommandLine(process.argv.slice(2), {
  openDatabase: async () => {
    const { readConfig, readEnvironment } = await readConfiguration();
    const { config } = readConfig(readEnvironment());
    const { createLogger } = await import("./observability/logger.ts");
    const { openDatabase } = await import("./service/database.ts");
    return await openDatabase(config, createLogger("silent"));
  },
  checks: async () => {
    const { readConfig, readEnvironment, secretsIn } = await readConfiguration();
    const environment = readEnvironment();
    for (const secret of secretsIn(environment)) hideValue(secret);
    const { checksOf, unusable } = await import("./service/doctor.ts");
    try {
      return checksOf(readConfig(environment).config);
    } catch (error) {
      return [unusable(error)];
    }
  },
  retentionDays: async () => {
    const { readConfig, readEnvironment } = await readConfiguration();
    return readConfig(readEnvironment()).config.retentionDays;
  },
  startService: async (env) => {
    const { readConfig, readEnvironment } = await readConfiguration();
    const own = Object.entries(readEnvironment()).filter(([name]) => OF_ONE_RUN.test(name));
    const { config } = readConfig({ ...Object.fromEntries(own), ...env, PORT: "0" });
    const { createLogger } = await import("./observability/logger.ts");
    const { startService } = await import("./service.ts");
    const service = await startService(config, createLogger("silent"));
    try {
      await service.ready;
    } catch (error) {
      await service.close(); // its open port would keep the process for ever
      throw error;
    }
    return service;
  },
  serviceCommand: [...process.execArgv, fileURLToPath(new URL(beside, import.meta.url))],
  print: (line) => process.stdout.write(`${redact(line)}\n`),
  write: (text) => process.stdout.write(redact(text)),
  complain: (line) => process.stderr.write(`${redact(line)}\n`),
  isTerminal: process.stdout.isTTY === true,
  env: process.env,
});
clearInterval(alive);
