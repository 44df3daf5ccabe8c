import { type Context, within } from "./spans.ts";

/** Where calls that are under way belong in their traces, by LangChain's id of the call. */
export const places = new Map<string, Context>();

/** Does the work inside of a call's span: LangChain tells of a call, but does not run it for us. */
export function withinCall<T>(callId: string | undefined, work: () => T): T {
  const place = callId === undefined ? undefined : places.get(callId);
  return place === undefined ? work() : within(place, work);
}
