import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { certificateOf, type Headers, type Peer, type PeerCertificate } from "@polywire/core";
import type { Target } from "./target.ts";

/** Who sent a request. Address and certificate are looked up when they are asked for: each costs a system call. */
export class RequestPeer implements Peer {
  readonly path: string;
  readonly query: string;
  readonly #request: IncomingMessage;
  /** Over HTTP/2, where a request outlives its stream and its stream's socket, but not its connection. */
  readonly #session: ServerHttp2Session | undefined;
  #headers: Headers | undefined = undefined;

  constructor(request: IncomingMessage, { path, query }: Target) {
    this.#request = request;
    this.#session = (request as { stream?: ServerHttp2Stream }).stream?.session as ServerHttp2Session | undefined;
    this.path = path;
    this.query = query;
  }

  get secure(): boolean {
    return this.#session?.encrypted ?? this.#request.socket instanceof TLSSocket;
  }

  get address(): string | undefined {
    return this.#socket?.remoteAddress;
  }

  get port(): number | undefined {
    return this.#socket?.remotePort;
  }

  get headers(): Headers {
    this.#headers ??= headersOf(this.#request.headers);
    return this.#headers;
  }

  get certificate(): PeerCertificate | undefined {
    const socket = this.#socket;
    if (!this.secure || !(socket as TLSSocket | undefined)?.authorized) return undefined;
    return certificateOf((socket as TLSSocket).getPeerX509Certificate());
  }

  get #socket(): Socket | undefined {
    if (this.#session === undefined) return this.#request.socket;
    return this.#session.destroyed ? undefined : this.#session.socket;
  }
}

function headersOf(given: IncomingHttpHeaders): Headers {
  const headers = new Map<string, string>();
  for (const name in given) {
    const value = given[name];
    // What begins with a colon is HTTP/2's own; the host is told by one of those.
    if (name === ":authority") headers.set("host", String(value));
    if (value === undefined || name.startsWith(":")) continue;
    headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  }
  return headers;
}
