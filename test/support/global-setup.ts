import type { ServiceName } from "./environment.ts";
import { startServices } from "./services.ts";

/** Only these are looked for and started. */
const NEEDED: readonly ServiceName[] = ["postgres", "redis", "nats"];

/** Vitest runs it once, before all test files, and what it returns after them. */
export default async function setup(): Promise<() => Promise<void>> {
  const services = await startServices(NEEDED);
  return services.stop;
}
