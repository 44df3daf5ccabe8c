#!/usr/bin/env node
import process from "node:process";
import { runCommandLine } from "./cli/run.ts";
import { readConfig, readEnvironment } from "./config.ts";
import { createLogger } from "./observability/logger.ts";

process.exitCode = await runCommandLine(process.argv.slice(2), {
  openDatabase: async () => {
    const { config } = readConfig(readEnvironment());
    const { openDatabase } = await import("./service/database.ts");
    return await openDatabase(config, createLogger("silent"));
  },
  checks: async () => {
    const environment = readEnvironment();
    const { checksOf, unusable } = await import("./service/doctor.ts");
    try {
      return checksOf(readConfig(environment).config, environment);
    } catch (error) {
      return [unusable(error)];
    }
  },
  print: (line) => process.stdout.write(`${line}\n`),
  complain: (line) => process.stderr.write(`${line}\n`),
});
