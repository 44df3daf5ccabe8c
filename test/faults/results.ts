import type { SpawnedService } from "../support/process.ts";
import type { Sink } from "../support/sink.ts";
import { until } from "../support/wait.ts";

/** Waits for so many distinct results; when they do not come, the figures say how many are missing. */
export async function resultsCome(sink: Sink, events: number, timeoutMs: number): Promise<void> {
  const there = () => new Set(sink.accepted().map((event) => event.id)).size >= events;
  await until(there, { what: "all results", timeoutMs }).catch(() => undefined);
}

/** The results by the event that caused them. */
export function resultsByCause(sink: Sink): Map<string, { type: string; output: unknown; ids: Set<string> }> {
  const results = new Map<string, { type: string; output: unknown; ids: Set<string> }>();
  for (const event of sink.accepted()) {
    const cause = String(event["causationid"]);
    const data = event.data as { result?: { output?: unknown } } | undefined; // we know the sender
    const known = results.get(cause);
    if (known) known.ids.add(event.id);
    else results.set(cause, { type: event.type, output: data?.result?.output, ids: new Set([event.id]) });
  }
  return results;
}

/** How many of the accepted results end so; `failed` should be none in most scenarios. */
export function endedAs(sink: Sink, kind: string): number {
  return [...resultsByCause(sink).values()].filter(({ type }) => type.endsWith(`.${kind}`)).length;
}

export type Watched = { service: SpawnedService; ended: string | undefined };

/** Notes the end of processes that should go on. */
export function watchEnds(services: readonly SpawnedService[]): Watched[] {
  return services.map((service) => {
    const watched: Watched = { service, ended: undefined };
    service.exited.then(({ code, signal }) => {
      watched.ended = String(code ?? signal);
    });
    return watched;
  });
}

/** Lines of all output that match, for figures that want none. */
export function linesWith(services: readonly SpawnedService[], pattern: RegExp): string[] {
  return services
    .flatMap(({ stdout, stderr }) => [...stdout, ...stderr])
    .filter((line) => pattern.test(line));
}

/** Where a figure wants nothing, the first thing that was there helps more than a count. */
export function noneOf(what: string, found: readonly string[]) {
  const got = found.length === 0 ? "0" : `${found.length}, first: ${found[0]?.slice(0, 300)}`;
  return { what, wanted: "0", got, ok: found.length === 0 };
}
