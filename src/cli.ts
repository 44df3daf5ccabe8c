#!/usr/bin/env node
import process from "node:process";
import { runCommandLine } from "./cli/run.ts";
import { readConfig, readEnvironment, secretsIn } from "./config.ts";
import { createLogger } from "./observability/logger.ts";
import { hideValue, redact } from "./observability/redaction.ts";

process.exitCode = await runCommandLine(process.argv.slice(2), {
  openDatabase: async () => {
    const { config } = readConfig(readEnvironment());
    const { openDatabase } = await import("./service/database.ts");
    return await openDatabase(config, createLogger("silent"));
  },
  checks: async () => {
    const environment = readEnvironment();
    for (const secret of secretsIn(environment)) hideValue(secret);
    const { checksOf, unusable } = await import("./service/doctor.ts");
    try {
      return checksOf(readConfig(environment).config);
    } catch (error) {
      return [unusable(error)];
    }
  },
  print: (line) => process.stdout.write(`${redact(line)}\n`),
  complain: (line) => process.stderr.write(`${redact(line)}\n`),
});
