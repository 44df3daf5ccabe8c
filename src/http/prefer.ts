import type { WaitFor } from "../runs/outcomes.ts";

const LONGEST_WAIT_SECONDS = 3600;

/** `Prefer: respond-async` and `Prefer: wait=N` (RFC 7240); all else, `reply` of Knative among it, is no matter. */
export function waitPreferred(header: string | undefined): WaitFor {
  if (header === undefined) return { kind: "outcome" };
  const preferences = header.split(",").map((part) => part.split(";", 1)[0]?.trim().toLowerCase() ?? "");
  const wait = preferences
    .map((each) => /^wait\s*=\s*"?(\d{1,9})"?$/.exec(each)?.[1])
    .find((seconds) => seconds);
  const asynchronous = preferences.includes("respond-async");
  if (wait !== undefined && Number(wait) > 0) {
    return { kind: "outcome", withinMs: Math.min(Number(wait), LONGEST_WAIT_SECONDS) * 1000 };
  }
  return asynchronous || wait !== undefined ? { kind: "stored" } : { kind: "outcome" };
}
