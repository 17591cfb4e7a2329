import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { CallConnection } from "./link.ts";
import type { ConnectionPeer } from "./peer.ts";
import { ServerConnection } from "./server-connection.ts";
import { encodeMessage, GRPC_STATUS, nameOfCode, STATUS_HEADER } from "./status.ts";

/** A call that has arrived: a stream whose head is gRPC's. */
export interface ArrivedCall {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** Canonical, as it came. */
  readonly path: string;
  readonly query: string;
  readonly peer: ConnectionPeer;
  readonly connection: CallConnection;
  /** Milliseconds the client gives the call, from its arrival. */
  readonly timeoutMs: number | undefined;
}

/** What a path of a server leads to. */
export interface Route {
  readonly carries: "links" | "exchanges";
  take(call: ArrivedCall): void;
}

export const CONTENT_TYPE = "application/grpc";

export interface Refusal {
  readonly code: number;
  readonly message: string;
  /** The HTTP-like status, where the code says it less exactly. */
  readonly status?: number;
}

/**
 * Ends a call with a status and nothing else (gRPC's "Trailers-Only"). What its client still sends is dropped, and
 * if it does not stop its stream is reset.
 */
export function refuseCall(stream: ServerHttp2Stream, { code, message, status }: Refusal): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  stream.resume();
  const session = stream.session as ServerHttp2Session | undefined;
  if (session !== undefined && !stream.readableEnded) ServerConnection.of(session)?.endSoon(stream);
  stream.respond(
    {
      ":status": 200,
      "content-type": CONTENT_TYPE,
      "grpc-status": String(code),
      "grpc-message": encodeMessage(message === "" ? nameOfCode(code) : message),
      ...(status !== undefined && { [STATUS_HEADER]: String(status) }),
    },
    { endStream: true },
  );
}

export const UNKNOWN_PATH: Refusal = { code: GRPC_STATUS.UNIMPLEMENTED, message: "nothing is here", status: 404 };
export const CLOSING: Refusal = { code: GRPC_STATUS.UNAVAILABLE, message: "closing", status: 503 };
