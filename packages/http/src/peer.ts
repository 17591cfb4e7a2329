import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import type { Headers, Peer, PeerCertificate } from "@polywire/core";
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
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return undefined;
    const { subject, issuer, fingerprint256: fingerprint } = certificate;
    // Node puts each part of a name on a line of its own.
    return { subject: subject.split("\n").join(", "), issuer: issuer.split("\n").join(", "), fingerprint };
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
