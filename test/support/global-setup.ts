import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { ServiceName } from "./environment.ts";
import { searchForSecrets } from "./search-for-secrets.ts";
import { startServices } from "./services.ts";
import { WITNESS_VARIABLE } from "./witness.ts";

/** Only these are looked for and started. */
const NEEDED: readonly ServiceName[] = ["postgres", "redis", "nats"];

/** Vitest runs it once, before all test files, and what it returns after them. */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), "agent-executor-seen-"));
  process.env[WITNESS_VARIABLE] = folder;
  const services = await startServices(NEEDED);
  return async () => {
    try {
      console.log(await searchForSecrets(folder));
    } catch (error) {
      process.exitCode = 1; // Vitest prints what is thrown here, and counts it for nothing
      throw error;
    } finally {
      await services.stop();
      await rm(folder, { recursive: true });
    }
  };
}
