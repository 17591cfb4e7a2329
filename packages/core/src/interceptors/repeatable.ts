import type { ExchangeCall } from "../connection/interceptors.ts";
import type { ErrorCode } from "../contract/error-table.ts";
import type { BodySource, Request, Response } from "../contract/exchange.ts";
import { copyPayload } from "../contract/payload.ts";

/** Methods that do the same when they are called twice: RFC 9110, section 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);

/** The peer was never reached, so it did nothing. */
const NOT_SENT: ReadonlySet<ErrorCode> = new Set(["connection-refused", "host-not-found", "host-unreachable"]);

/** Most of a response that nobody wants that is read, so that its connection can go on, before the connection is given up. */
const MAX_UNWANTED_BYTES = 16_384;

/** Which requests may be made twice. */
export interface IdempotenceOptions {
  /** Methods that are idempotent besides GET, HEAD, OPTIONS, PUT, DELETE and TRACE: those of a gRPC service, `/shop.Stock/Get`. */
  readonly methods?: readonly string[];
  /** Says of one request what its method does not: that it carries an idempotency key. */
  readonly isIdempotent?: (call: ExchangeCall) => boolean;
}

export function isIdempotent(call: ExchangeCall, { methods, isIdempotent: judged }: IdempotenceOptions): boolean {
  const { method } = call.request;
  return IDEMPOTENT.has(method) || methods?.includes(method) === true || judged?.(call) === true;
}

/** Whether nothing can have come of the request that failed like this. */
export function wasNotSent(code: ErrorCode): boolean {
  return NOT_SENT.has(code);
}

/** The request as it can be made several times, whatever the caller does to its bytes; nothing if its body comes in chunks. */
export function repeatable(request: Request): Request | undefined {
  const { body } = request;
  if (isChunks(body)) return undefined;
  return body instanceof Uint8Array ? { ...request, body: copyPayload(body) } : request;
}

/** Lets go of a response that is not handed on. */
export function discardResponse({ body }: Response): void {
  body.bytes(MAX_UNWANTED_BYTES).catch(() => {
    // Nobody wanted it.
  });
}

function isChunks(body: BodySource): body is AsyncIterable<Uint8Array> {
  return typeof body === "object" && body !== null && Symbol.asyncIterator in body;
}
