import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { certificateOf, type Peer, type PeerCertificate } from "@polywire/core";

/**
 * The other side of a socket. Its address and certificate are looked up when they are asked for, because each costs a
 * system call that most links never need.
 */
export class SocketPeer implements Peer {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get secure(): boolean {
    return this.#socket instanceof TLSSocket;
  }

  get address(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get port(): number | undefined {
    return this.#socket.remotePort;
  }

  /** What ALPN chose. */
  get subprotocol(): string | undefined {
    return this.#socket instanceof TLSSocket ? this.#socket.alpnProtocol || undefined : undefined;
  }

  get certificate(): PeerCertificate | undefined {
    return this.#socket instanceof TLSSocket && this.#socket.authorized
      ? certificateOf(this.#socket.getPeerX509Certificate())
      : undefined;
  }
}
