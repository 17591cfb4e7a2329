import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type Accepted, certificateOf, keptHeaders, type Peer, type PeerCertificate } from "@polywire/core";

/** The other end of a connection. What costs a system call is looked up when it is first asked for. */
export class ConnectionPeer {
  readonly secure: boolean;
  readonly #socket: Socket;
  #certificate: PeerCertificate | undefined = undefined;
  #isCertificateRead = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.secure = socket instanceof TLSSocket;
  }

  get address(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get port(): number | undefined {
    return this.#socket.remotePort;
  }

  /** Only one that was verified. */
  get certificate(): PeerCertificate | undefined {
    if (!this.#isCertificateRead && this.#socket instanceof TLSSocket) {
      this.#certificate = this.#socket.authorized ? certificateOf(this.#socket.getPeerX509Certificate()) : undefined;
    }
    this.#isCertificateRead = true;
    return this.#certificate;
  }
}

/** Whoever made a call, or answers it. */
export class CallPeer implements Peer {
  readonly path: string;
  readonly query: string;
  readonly headers: ReadonlyMap<string, string> | undefined;
  readonly #connection: ConnectionPeer;

  constructor(
    connection: ConnectionPeer,
    { path, query, headers }: { path: string; query: string; headers: ReadonlyMap<string, string> | undefined },
  ) {
    this.#connection = connection;
    this.path = path;
    this.query = query;
    this.headers = headers;
  }

  get secure(): boolean {
    return this.#connection.secure;
  }

  get address(): string | undefined {
    return this.#connection.address;
  }

  get port(): number | undefined {
    return this.#connection.port;
  }

  get certificate(): PeerCertificate | undefined {
    return this.#connection.certificate;
  }

  /** The peer of a link: it holds no metadata that admission did not ask for. */
  kept({ keepHeaders }: Accepted): CallPeer {
    const { path, query } = this;
    return new CallPeer(this.#connection, { path, query, headers: keptHeaders(this.headers, keepHeaders) });
  }
}
