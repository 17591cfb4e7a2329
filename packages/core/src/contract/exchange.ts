import type { Endpoint } from "./endpoint.ts";
import type { Link, Traits } from "./link.ts";
import type { Payload } from "./payload.ts";
import type { Peer } from "./peer.ts";

/** Names and values of headers or metadata; names are lower case. */
export type Headers = ReadonlyMap<string, string>;

/** A body, read once: whole or in chunks. Reading slowly slows the sender down. */
export interface Body extends AsyncIterable<Uint8Array> {
  /**
   * The whole body.
   *
   * @throws PolywireError `too-large` once more than `maxBytes` (1 MiB by default) have arrived.
   */
  bytes(maxBytes?: number): Promise<Uint8Array>;
}

/** What is sent as a body: nothing, one payload, or chunks as they come. */
export type BodySource = Payload | AsyncIterable<Uint8Array> | undefined;

export interface Request {
  /** HTTP method, or the full method name of a call (`/package.Service/Method`). */
  readonly method: string;
  readonly path?: string;
  readonly headers?: Headers;
  readonly body?: BodySource;
}

export interface ResponseHead {
  /** HTTP status; wires with other codes say in their documentation how they map. */
  readonly status: number;
  readonly headers?: Headers;
}

export interface Response extends ResponseHead {
  readonly headers: Headers;
  readonly body: Body;
}

/**
 * One request and its response, as the serving side holds it. Exactly one of `respond` and `stream` ends it; a
 * second one throws `invalid-state`. If none comes within the listener's time limit the plugin answers for it.
 */
export interface Exchange {
  readonly method: string;
  /** Canonical path without the query. */
  readonly path: string;
  readonly query: string;
  readonly headers: Headers;
  readonly peer: Peer;
  readonly body: Body;
  /** Fires when the peer has gone before the response was complete. */
  readonly signal: AbortSignal;
  respond(head: ResponseHead, body?: BodySource): void;
  /** Answers with a head and turns the body into a send-only link: its `closed` comes, `message` never does. */
  stream(head: ResponseHead): Link;
}

/** Makes exchanges towards one endpoint. Made by a protocol plugin. */
export interface Exchanger {
  readonly endpoint: Endpoint;
  readonly traits: Traits;
  /** Fulfilled with the response's head; its body is read from there. */
  request(request: Request, options?: RequestOptions): Promise<Response>;
  /** Refuses new requests, lets those under way end. Idempotent. */
  close(): Promise<void>;
  /** Fulfilled once it is closed, whoever closed it. */
  readonly closed: Promise<void>;
}

/** An exchanger of a wire that has a way of its own to ask the peer how it is. */
export interface Checkable {
  /** Rejects with what is wrong, or when the signal fires. It is no request of the program's: nobody counts it. */
  check(signal: AbortSignal): Promise<void>;
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /** Absolute deadline for the whole exchange, body included, in milliseconds from the call. 30,000 by default. */
  readonly timeoutMs?: number;
}
