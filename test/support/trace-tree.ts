import type { SeenSpan } from "./otlp.ts";

/** What is worth a word beside a span's name. */
const SHOWN = [
  "agent_executor.attempt",
  "agent_executor.taken_over",
  "agent_executor.outcome",
  "agent_executor.delivery_attempt",
  "http.response.status_code",
  "gen_ai.usage.output_tokens",
  "error.type",
];

/**
 * The spans of one trace as a tree. A span that is named as a parent and was never sent is one of a
 * process that was killed inside of it; it stands below the event, where its
 * first child began.
 */
export function traceTree(spans: readonly SeenSpan[], traceId: string): string {
  const sent = spans.filter((span) => span.traceId === traceId).toSorted(byStart);
  const [first] = sent;
  if (first === undefined) return "(no span)";
  const own = [...sent, ...neverEnded(sent, first)].toSorted(byStart);
  const lines = ["         (the sender)"];
  const show = (parentId: string, depth: number): void => {
    for (const span of own.filter((each) => each.parentId === parentId)) {
      const at = `+${((span.startMs - first.startMs) / 1000).toFixed(2)} s`.padStart(8);
      lines.push(`${at} ${"  ".repeat(depth)}${describe(span)}`);
      show(span.spanId, depth + 1);
    }
  };
  show(first.parentId, 1);
  return lines.join("\n");
}

const byStart = (a: SeenSpan, b: SeenSpan) => a.startMs - b.startMs;

function neverEnded(sent: readonly SeenSpan[], first: SeenSpan): SeenSpan[] {
  const known = new Set([first.parentId, ...sent.map(({ spanId }) => spanId)]);
  const lost = new Set(sent.map(({ parentId }) => parentId).filter((id) => !known.has(id)));
  return [...lost].map((spanId) => {
    const startMs = sent.find(({ parentId }) => parentId === spanId)?.startMs ?? 0;
    const name = "(never ended: its process was killed)";
    return {
      ...first,
      spanId,
      parentId: first.spanId,
      name,
      startMs,
      durationMs: Number.NaN,
      attributes: {},
    };
  });
}

function describe({ name, durationMs, attributes }: SeenSpan): string {
  const words = SHOWN.filter((each) => attributes[each] !== undefined && attributes[each] !== false);
  const about = words.map((each) => `${each.split(".").at(-1)}=${String(attributes[each])}`);
  return [name, ...(Number.isNaN(durationMs) ? [] : [`${durationMs.toFixed(0)} ms`]), ...about].join("  ");
}
