import type { IncomingHttpHeaders } from "node:http2";
import { PolywireError } from "@polywire/core";
import { headerOf, isGrpc } from "./metadata.ts";
import { type CallStatus, decodeMessage, GRPC_STATUS, printable } from "./status.ts";

/**
 * In the trailers of a server that has ended its direction and reads on. gRPC knows no such thing: for other clients the
 * call is over.
 */
export const HALF_HEADER = "polywire-half-close";

/** The status in trailers, or in a head that has nothing behind it; `undefined` without one. */
export function statusOf(headers: IncomingHttpHeaders): CallStatus | undefined {
  const status = headerOf(headers, "grpc-status");
  if (status === undefined) return undefined;
  const code = /^\d{1,4}$/.test(status) ? Number(status) : GRPC_STATUS.UNKNOWN;
  return { code, message: decodeMessage(headerOf(headers, "grpc-message")) };
}

/** The error for an answer that is no gRPC: a web server, or a proxy before the server. */
export function foreignAnswer(head: IncomingHttpHeaders, context: string): PolywireError | undefined {
  const contentType = headerOf(head, "content-type");
  const isHttpOk = Number(head[":status"]) === 200;
  if (isHttpOk && isGrpc(contentType)) return undefined;
  const what = contentType === undefined ? "without a content-type" : `with content-type "${printable(contentType)}"`;
  return new PolywireError(
    "handshake-failed",
    `${context}: the answer is not gRPC: HTTP status ${head[":status"]} ${what}: check host, port and path`,
    { retryable: [429, 502, 503, 504].includes(Number(head[":status"])) },
  );
}
