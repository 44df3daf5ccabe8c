#!/usr/bin/env node
import process from "node:process";
import { runCommandLine } from "./cli/run.ts";
import { readConfig, readEnvironment } from "./config.ts";
import { createLogger } from "./observability/logger.ts";

process.exitCode = await runCommandLine(process.argv.slice(2), {
  openDatabase: async () => {
    const { config } = readConfig(readEnvironment());
    const { openDatabase } = await import("./service.ts");
    return await openDatabase(config, createLogger("silent"));
  },
  print: (line) => process.stdout.write(`${line}\n`),
  complain: (line) => process.stderr.write(`${line}\n`),
});
