import { isRecord } from "./json.ts";

/** What a tool may know of the run that it is called in. */
export type RunFacts = {
  job_id?: string;
  run_id?: string;
  /** As the event brought them. */
  context?: unknown;
  input?: unknown;
};

/** Under this name whoever runs a graph hands them over, in `configurable`. */
const FACTS = "run_facts";

/** None in a graph that is run by itself. */
export function factsOf(configurable: Record<string, unknown> | undefined): RunFacts {
  const facts = configurable?.[FACTS];
  return isRecord(facts) ? facts : {};
}
