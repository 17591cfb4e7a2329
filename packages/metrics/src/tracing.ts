import {
  type Context,
  context,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  type TextMapSetter,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import {
  type AcceptStep,
  type DialStep,
  type ExchangeStep,
  type Interceptor,
  type Peer,
  PolywireError,
  type ServeStep,
} from "@polywire/core";
import { whenAnswered } from "./answers.ts";
import {
  httpEnd,
  httpStart,
  isRpc,
  rpcEnd,
  rpcStart,
  type SpanEnd,
  serverAttributes,
  urlWithoutQuery,
} from "./span-attributes.ts";

/**
 * Makes spans of what a network does: of the client's kind for requests and dials, of the server's for requests and links that
 * arrive. The trace goes along in the headers or the metadata, by the propagator that the program registered: W3C Trace Context
 * with every OpenTelemetry SDK. Names and attributes follow the semantic conventions for HTTP and RPC.
 *
 * A span of a request ends with the head of its response, on both sides; one of a dial with the link; one of a link that arrived
 * when its handler has taken it. Spans that the program makes in a handler are children of what arrived.
 */
export function tracing(tracer: Tracer): Interceptor {
  return {
    get keepHeaders() {
      return propagation.fields();
    },
    dial: (next) => tracedDial(next, tracer),
    exchange: (next) => tracedExchange(next, tracer),
    accept: (next) => tracedAccept(next, tracer),
    serve: (next) => tracedServe(next, tracer),
  };
}

function tracedDial(next: DialStep, tracer: Tracer): DialStep {
  return async function traced(call) {
    const { endpoint, protocol, metadata } = call;
    const attributes = {
      "network.protocol.name": protocol,
      "url.full": urlWithoutQuery(endpoint, undefined),
      ...serverAttributes(endpoint),
    };
    const span = tracer.startSpan(`dial ${protocol}`, { kind: SpanKind.CLIENT, attributes });
    const inside = trace.setSpan(context.active(), span);
    propagation.inject(inside, metadata, SETTER);
    return ended(
      span,
      context.with(inside, () => next(call)),
      () => SUCCESS,
    );
  };
}

function tracedExchange(next: ExchangeStep, tracer: Tracer): ExchangeStep {
  return async function traced(call) {
    const { endpoint, protocol, request } = call;
    const { method, path } = request;
    const isCall = isRpc(method);
    const { name, attributes: own } = isCall ? rpcStart(method, protocol) : httpStart(method);
    const attributes = {
      ...own,
      "network.protocol.name": protocol,
      ...(!isCall && { "url.full": urlWithoutQuery(endpoint, path) }),
      ...serverAttributes(endpoint),
    };
    const span = tracer.startSpan(name, { kind: SpanKind.CLIENT, attributes });
    const inside = trace.setSpan(context.active(), span);
    const headers = new Map(request.headers);
    propagation.inject(inside, headers, SETTER);
    const response = context.with(inside, () => next({ ...call, request: { ...request, headers } }));
    return ended(span, response, (answer) =>
      isCall ? rpcEnd("client", answer.status, answer.headers.get("grpc-status")) : httpEnd("client", answer.status),
    );
  };
}

function tracedAccept(next: AcceptStep, tracer: Tracer): AcceptStep {
  return async function traced(link, place) {
    const { peer } = link;
    const parent = arrivedContext(peer.headers);
    const attributes = {
      "network.protocol.name": place.protocol,
      ...(peer.path !== undefined && { "url.path": peer.path }),
      ...peerAttributes(peer),
    };
    const span = tracer.startSpan(`accept ${place.protocol}`, { kind: SpanKind.SERVER, attributes }, parent);
    try {
      await context.with(trace.setSpan(parent, span), () => next(link, place));
      end(span, SUCCESS);
    } catch (thrown) {
      end(span, failure(thrown));
      throw thrown;
    }
  };
}

function tracedServe(next: ServeStep, tracer: Tracer): ServeStep {
  return async function traced(exchange, place) {
    const { method, path, peer } = exchange;
    const isCall = isRpc(method);
    const { name, attributes: own } = isCall ? rpcStart(method, place.protocol) : httpStart(method);
    const attributes = {
      ...own,
      "network.protocol.name": place.protocol,
      ...(!isCall && { "url.path": path, "url.scheme": peer.secure ? "https" : "http" }),
      ...peerAttributes(peer),
    };
    const parent = arrivedContext(exchange.headers);
    const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
    let thrownType: string | undefined;
    whenAnswered(exchange, (outcome) => {
      if ("error" in outcome) return end(span, failure(outcome.error));
      const told = isCall ? rpcEnd("server", outcome.status, undefined) : httpEnd("server", outcome.status);
      if (thrownType === undefined) return end(span, told);
      end(span, { isError: true, attributes: { ...told.attributes, "error.type": thrownType } });
    });
    try {
      await context.with(trace.setSpan(parent, span), () => next(exchange, place));
    } catch (thrown) {
      // The network answers it now.
      thrownType = errorType(thrown);
      throw thrown;
    }
  };
}

const SUCCESS: SpanEnd = { isError: false, attributes: {} };

async function ended<Result>(span: Span, work: Promise<Result>, outcome: (result: Result) => SpanEnd): Promise<Result> {
  try {
    const result = await work;
    end(span, outcome(result));
    return result;
  } catch (thrown) {
    end(span, failure(thrown));
    throw thrown;
  }
}

function end(span: Span, { attributes, isError }: SpanEnd): void {
  span.setAttributes(attributes);
  if (isError) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

/** The code alone: messages name what the program dialled and asked. */
function failure(thrown: unknown): SpanEnd {
  return { isError: true, attributes: { "error.type": errorType(thrown) } };
}

function errorType(thrown: unknown): string {
  return PolywireError.from(thrown).code;
}

function peerAttributes({ address, port }: Peer): Record<string, string | number> {
  return {
    ...(address !== undefined && { "network.peer.address": address }),
    ...(port !== undefined && { "network.peer.port": port }),
  };
}

function arrivedContext(headers: ReadonlyMap<string, string> | undefined): Context {
  return headers === undefined ? context.active() : propagation.extract(context.active(), headers, GETTER);
}

const SETTER: TextMapSetter<Map<string, string>> = {
  set: (headers, name, value) => void headers.set(name.toLowerCase(), value),
};

const GETTER: TextMapGetter<ReadonlyMap<string, string>> = {
  get: (headers, name) => headers.get(name.toLowerCase()),
  keys: (headers) => [...headers.keys()],
};
