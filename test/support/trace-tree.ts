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
 * process that was killed inside of it; it stands where its first child began.
 */
export function traceTree(spans: readonly SeenSpan[], traceId: string): string {
  const own = spans.filter((span) => span.traceId === traceId).toSorted((a, b) => a.startMs - b.startMs);
  const known = new Set(own.map(({ spanId }) => spanId));
  const began = own[0]?.startMs ?? 0;
  const lines: string[] = [];
  const show = (parentId: string, depth: number): void => {
    for (const span of own) if (span.parentId === parentId) line(span, depth);
  };
  const line = (span: SeenSpan, depth: number): void => {
    const words = SHOWN.filter(
      (name) => span.attributes[name] !== undefined && span.attributes[name] !== false,
    );
    const about = words
      .map((name) => `${name.split(".").slice(-1)}=${String(span.attributes[name])}`)
      .join(" ");
    const at = `+${((span.startMs - began) / 1000).toFixed(2)} s`.padStart(8);
    lines.push(
      `${at}  ${"  ".repeat(depth)}${span.name}  ${span.durationMs.toFixed(0)} ms${about && `  ${about}`}`,
    );
    show(span.spanId, depth + 1);
  };
  const roots = [...new Set(own.map(({ parentId }) => parentId).filter((id) => !known.has(id)))];
  for (const root of roots) {
    const isFirst = root === roots[0];
    lines.push(
      isFirst
        ? "          (the sender's span)"
        : "            (a span that never ended: its process was killed)",
    );
    show(root, isFirst ? 1 : 2);
  }
  return lines.join("\n");
}
