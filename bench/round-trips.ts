import { setTimeout as delay } from "node:timers/promises";
import { Lifetime } from "../src/lifetime/lifetime.ts";
import { sendEvent } from "./load.ts";
import type { Options } from "./options.ts";
import type { Programs } from "./programs.ts";
import { plans, startServer } from "./servers.ts";
import { tapPostgres } from "./wire-tap.ts";

/** What one server asks of Postgres for an event. */
export type RoundTrips = {
  events: number;
  perEvent: number;
  /** The same, by the statement's name. */
  byStatement: Record<string, number>;
  errors: number;
};

/** The built programs themselves are counted, on the wire, one event after the other. */
export async function countRoundTrips(
  programs: Programs,
  { events }: Options,
  say: (line: string) => void,
): Promise<{ service: RoundTrips; stock: RoundTrips }> {
  say(`round trips: counting ${events} events each`);
  return {
    service: await countOf(programs.service, events),
    stock: await countOf(programs.naive, events),
  };
}

async function countOf(program: string, events: number): Promise<RoundTrips> {
  const lifetime = new Lifetime();
  try {
    const plan = await plans.onDatabase(program, lifetime);
    const tap = await tapPostgres(plan.env["DATABASE_URL"] ?? "");
    lifetime.own(tap, (each) => each.close());
    const env = { ...plan.env, DATABASE_URL: tap.url };
    const server = await startServer({ program, env }, lifetime);
    await sendEvent(server.url); // what is done once is done now
    await rest();
    tap.statements.length = 0;
    let errors = 0;
    for (let i = 0; i < events; i++) if ((await sendEvent(server.url)) !== undefined) errors++;
    await rest();
    return { events, errors, ...tally(tap.statements, events) };
  } finally {
    await lifetime.close();
  }
}

/** What follows an answer belongs to its event. Shorter than a second: the service looks around that often. */
const rest = () => delay(100);

function tally(statements: readonly string[], events: number): Pick<RoundTrips, "perEvent" | "byStatement"> {
  const byStatement: Record<string, number> = {};
  for (const name of statements) byStatement[name] = (byStatement[name] ?? 0) + 1 / events;
  for (const [name, count] of Object.entries(byStatement)) byStatement[name] = Math.round(count * 100) / 100;
  return { perEvent: statements.length / events, byStatement };
}
