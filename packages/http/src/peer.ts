import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { certificateOf, type Headers, type Peer, type PeerCertificate } from "@polywire/core";
import type { Target } from "./target.ts";

/** Who sent a request. Address and certificate are looked up when they are asked for: each costs a system call. */
export class RequestPeer implements Peer {
  readonly path: string;
  readonly query: string;
  readonly #request: IncomingMessage;
  #headers: Headers | undefined = undefined;

  constructor(request: IncomingMessage, { path, query }: Target) {
    this.#request = request;
    this.path = path;
    this.query = query;
  }

  get secure(): boolean {
    return this.#request.socket instanceof TLSSocket;
  }

  get address(): string | undefined {
    return this.#request.socket.remoteAddress;
  }

  get port(): number | undefined {
    return this.#request.socket.remotePort;
  }

  get headers(): Headers {
    this.#headers ??= headersOf(this.#request.headers);
    return this.#headers;
  }

  get certificate(): PeerCertificate | undefined {
    const { socket } = this.#request;
    if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
    return certificateOf(socket.getPeerX509Certificate());
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
