import { context, propagation, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

export interface Spans {
  readonly tracer: Tracer;
  /** Those that have ended since the last call, the first to end first. */
  take(): ReadableSpan[];
  /** Work within a span of the program's own. */
  within<Result>(name: string, work: (span: Span) => Promise<Result>): Promise<Result>;
}

/** What a program does at its start, with an exporter that keeps everything here. */
export function startTracing(): Spans {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const tracer = provider.getTracer("test");
  return {
    tracer,
    take() {
      const spans = exporter.getFinishedSpans();
      exporter.reset();
      return spans;
    },
    async within(name, work) {
      const span = tracer.startSpan(name);
      try {
        return await context.with(trace.setSpan(context.active(), span), () => work(span));
      } finally {
        span.end();
      }
    },
  };
}

/** A span in a line: kind, name, how it ended. */
export function line({ kind, name, status, attributes }: ReadableSpan): string {
  const error = status.code === SpanStatusCode.ERROR ? ` ! ${String(attributes["error.type"])}` : "";
  return `${SpanKind[kind].toLowerCase()} ${name}${error}`;
}
