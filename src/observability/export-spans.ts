import { diag, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type ReadableSpan,
  type Span,
  type SpanExporter,
  type SpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { pause } from "../lifetime/pause.ts";
import { telemetryMetrics } from "./metrics.ts";
import { tracing } from "./spans.ts";

export type ExportOptions = {
  /** Where spans are posted, the path included. */
  url: string;
  resource: Readonly<Record<string, string>>;
  /** Told once when spans begin to be lost, and once when they are taken again. */
  report: (what: "lost" | "taken again", reason: string) => void;
};

/** Spans that wait for their export; more are dropped. A span takes about 2 KiB. */
const MOST_WAITING = 4096;
const EXPORT_MS = 5000;
/** A collector that is away must not hold up a stop. */
const FLUSH_MS = 3000;

/** Sends spans off in batches. Nothing waits for that: what a collector does not take is counted, and gone. */
export function exportSpans({ url, resource, report }: ExportOptions): { close(): Promise<void> } {
  // The SDK's own words quote what it sent where.
  diag.disable();
  const counting = new CountingExporter(new OTLPTraceExporter({ url, timeoutMillis: EXPORT_MS }), report);
  const batches = new BatchSpanProcessor(counting, {
    maxQueueSize: MOST_WAITING,
    exportTimeoutMillis: EXPORT_MS,
  });
  const provider = new BasicTracerProvider({
    // OTEL_RESOURCE_ATTRIBUTES says what the operator wants to know of this process.
    resource: detectResources({ detectors: [envDetector] }).merge(resourceFromAttributes(resource)),
    spanProcessors: [new BoundedProcessor(batches, counting)],
  });
  trace.setGlobalTracerProvider(provider);
  tracing.switch(true);
  const close = async () => {
    tracing.switch(false);
    trace.disable();
    await Promise.race([provider.shutdown().catch(() => undefined), pause(FLUSH_MS)]);
  };
  return { close };
}

class CountingExporter implements SpanExporter {
  readonly #inner: SpanExporter;
  readonly #report: ExportOptions["report"];
  #isLosing = false;
  /** Ended, and neither exported nor given up. */
  waiting = 0;

  constructor(inner: SpanExporter, report: ExportOptions["report"]) {
    this.#inner = inner;
    this.#report = report;
  }

  export(spans: ReadableSpan[], done: Parameters<SpanExporter["export"]>[1]): void {
    this.#inner.export(spans, (result) => {
      this.waiting -= spans.length;
      telemetryMetrics.spans(result.error === undefined ? "exported" : "failed", spans.length);
      this.#say(result.error);
      // A failure was counted and said: whoever asks for the export has nothing to add.
      done(result.error === undefined ? result : { code: 0 });
    });
  }

  async forceFlush(): Promise<void> {
    await this.#inner.forceFlush?.();
  }

  async shutdown(): Promise<void> {
    await this.#inner.shutdown();
  }

  #say(error: Error | undefined): void {
    if ((error !== undefined) === this.#isLosing) return;
    this.#isLosing = error !== undefined;
    const code = error && "code" in error ? ` ${String(error.code)}` : "";
    this.#report(this.#isLosing ? "lost" : "taken again", `${error?.name ?? ""}${code}`);
  }
}

/** The SDK drops in silence what its queue has no room for. */
class BoundedProcessor implements SpanProcessor {
  readonly #inner: SpanProcessor;
  readonly #exporter: CountingExporter;

  constructor(inner: SpanProcessor, exporter: CountingExporter) {
    this.#inner = inner;
    this.#exporter = exporter;
  }

  onStart(span: Span, parent: Parameters<SpanProcessor["onStart"]>[1]): void {
    this.#inner.onStart(span, parent);
  }

  onEnd(span: ReadableSpan): void {
    if ((span.spanContext().traceFlags & 1) === 0) return;
    if (this.#exporter.waiting >= MOST_WAITING) {
      telemetryMetrics.spans("dropped", 1);
      return;
    }
    this.#exporter.waiting++;
    this.#inner.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#inner.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }
}
