import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Attributes,
  type Context,
  type ContextManager,
  context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { parseTraceparent } from "./traceparent.ts";

export { type Attributes, type Context, ROOT_CONTEXT, type Span, SpanKind };

/** Which span work belongs to; the SDK's own packages for this are not among ours. */
class AsyncContext implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    inside: Context,
    work: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(inside, () => work.call(thisArg, ...args));
  }

  bind<T>(inside: Context, target: T): T {
    if (typeof target !== "function") return target;
    return ((...args: unknown[]) => this.#storage.run(inside, () => target(...args))) as T;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    this.#storage.disable();
    return this;
  }
}
context.setGlobalContextManager(new AsyncContext());

/** Whether spans go anywhere; without an exporter no work is done for them. */
let isOn = false;
export const tracing = {
  get isOn(): boolean {
    return isOn;
  },
  switch(on: boolean): void {
    isOn = on;
  },
};

export type SpanOptions = {
  kind?: SpanKind;
  attributes?: Attributes;
  /** Whose child it is; default the span that is active. */
  parent?: Context;
  links?: Link[];
  startTime?: Date;
};

export function startSpan(name: string, { parent = context.active(), ...options }: SpanOptions = {}): Span {
  return trace.getTracer("agent-executor").startSpan(name, options, parent);
}

/** Does the work inside a span of its own; what it throws is the span's status, and goes on. */
export async function inSpan<T>(
  name: string,
  options: SpanOptions,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const { parent } = options;
  // Without spans only a place that comes from elsewhere is passed on, for the lines and calls inside.
  if (!isOn)
    return await (parent === undefined ? work(NO_SPAN) : context.with(parent, work, undefined, NO_SPAN));
  const span = startSpan(name, options);
  try {
    return await context.with(trace.setSpan(parent ?? context.active(), span), () => work(span));
  } catch (error) {
    failSpan(span, error);
    throw error;
  } finally {
    span.end();
  }
}

const NO_SPAN = trace.wrapSpanContext({ traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 });

/** The kind of the failure and no more: messages may quote what people sent. */
export function failSpan(span: Span, error: unknown): void {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  span.setAttribute("error.type", code || (error instanceof Error ? error.name : typeof error));
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Does the work where this is the active span. */
export function within<T>(parent: Context, work: () => T): T {
  return context.with(parent, work);
}

export function contextOf(span: Span): Context {
  return trace.setSpan(ROOT_CONTEXT, span);
}

/** The place in a trace that a traceparent names, as it came over the wire. */
export function remoteContext(traceparent: string | null | undefined): Context {
  const parsed = parseTraceparent(traceparent ?? undefined);
  if (parsed === undefined) return ROOT_CONTEXT;
  const { traceId, spanId, flags } = parsed;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: flags & 1, isRemote: true });
}

/** The active span, if it is one of a trace. */
export function activeSpanContext(): SpanContext | undefined {
  const active = trace.getSpanContext(context.active());
  return active !== undefined && trace.isSpanContextValid(active) ? active : undefined;
}

export function activeSpan(): Span | undefined {
  return trace.getActiveSpan();
}

/** The headers that carry the trace on to whoever is asked inside of it. */
export function traceHeaders(): { traceparent?: string } {
  const active = activeSpanContext();
  return active === undefined ? {} : { traceparent: formatTraceparent(active) };
}

export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${(traceFlags & 3).toString(16).padStart(2, "0")}`;
}
